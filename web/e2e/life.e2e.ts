import { afterAll, beforeAll, expect, test } from 'vitest'
import { until } from './browser'
import { openLab, type Lab } from './lab'
import { ask, statusOf, train } from './wishes'

let lab: Lab
let short: string
let long: string
const name = `life ${Date.now()}`

beforeAll(async () => {
  lab = await openLab('life')
  short = await lab.trained(name, 1e-3, 40)
})

afterAll(() => lab?.close())

const button = (what: string | RegExp) => lab.page.getByRole('group', { name: 'What to do with the run' }).getByRole('button', { name: what, exact: true })
const dialog = () => lab.page.getByRole('dialog')
const status = (wanted: string) => until('the status', () => lab.page.locator('.run-title .status').innerText(), (s) => s === wanted)

test('a run is paused, goes on, and is stopped, each where it can be', async () => {
  const { page, node } = lab
  long = await train(node.url, `${name} long`, lab.dataset, 1e-4, 1_000_000)
  await page.goto(`${node.url}/run/${long}`)
  await status('running')
  expect(await button('Resume').count()).toBe(0)
  expect(await button('Delete…').count(), 'a run at work cannot be deleted').toBe(0)
  await button('Pause').click()
  await status('paused')
  expect(await button('Pause').count()).toBe(0)
  await button('Resume').click()
  await status('running')
  await button('Stop').click()
  await button('Really stop?').click()
  await status('stopped')
  expect(await button('Stop').count()).toBe(0)
  expect(await page.locator('.refusal').count()).toBe(0)
})

test('a star is set by the keyboard, and picks the run in lists', async () => {
  const { page, node } = lab
  await page.goto(`${node.url}/run/${short}`)
  const star = button(/Star/)
  await star.focus()
  await page.keyboard.press('Space')
  await until('the star', () => star.getAttribute('aria-pressed'), (on) => on === 'true')
  await page.goto(`${node.url}/?q=starred+and+"${encodeURIComponent(name)}"`)
  await page.locator(`tr[data-run="${short}"]`).getByRole('img', { name: 'starred' }).waitFor()
  expect(await page.locator(`tr[data-run="${long}"]`).count()).toBe(0)
})

test('a dialog is left by Escape, and the focus is where it was', async () => {
  const { page, node } = lab
  await page.goto(`${node.url}/run/${short}`)
  await button('Fork…').focus()
  await page.keyboard.press('Enter')
  await dialog().waitFor()
  expect(await page.evaluate(() => document.activeElement?.closest('label')?.firstChild?.textContent)).toBe('From step')
  await page.keyboard.press('Escape')
  await dialog().waitFor({ state: 'detached' })
  expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Fork…')
})

test('a fork begins at a step with settings changed; what the node refuses stands beside the button', async () => {
  const { page, node } = lab
  await button('Fork…').click()
  await dialog().getByText('Checkpoints: 40, 20.').waitFor()
  await page.getByLabel('From step').fill('25')
  await page.getByLabel('Settings to change').fill('optimizer.lr')
  await dialog().getByRole('button', { name: 'Fork' }).click()
  await dialog().getByText('line 1: “optimizer.lr” is not of the form').waitFor()
  await page.getByLabel('Settings to change').fill('model.n_layer = 3')
  await dialog().getByRole('button', { name: 'Fork' }).click()
  await until('the refusal', () => dialog().getByRole('alert').innerText(), (text) => text.includes('model differs from the checkpoint'))
  await page.getByLabel('Settings to change').fill('optimizer.lr = 0.0005\nsteps = 30')
  await page.getByLabel('Name').fill(`${name} forked`)
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: `${name} forked` }).waitFor()
  await page.locator('.run-line', { hasText: /fork of/ }).waitFor()
  expect(await page.locator('.run-line').innerText()).toContain('from step 20')
  await status('finished')
  const id = page.url().split('/').at(-1)
  const { run } = await ask<{ run: { config: { steps: number; optimizer: { lr: number } } } }>(node.url, 'query ($id: ID!) { run(id: $id) { config } }', { id })
  expect([run.config.steps, run.config.optimizer.lr]).toEqual([30, 0.0005])
})

test('a run is rewound to a step and goes on from there', async () => {
  const { page, node } = lab
  await page.goto(`${node.url}/run/${short}`)
  await button('Rewind…').click()
  await dialog().getByRole('button', { name: 'Rewind' }).click()
  await dialog().getByText('Which step is the last to keep?').waitFor()
  await page.getByLabel('Last step to keep').fill('4000')
  await dialog().getByRole('button', { name: 'Rewind' }).click()
  await dialog().getByText('stands at step 40').waitFor()
  await page.getByLabel('Last step to keep').fill('30')
  await page.keyboard.press('Enter')
  await dialog().waitFor({ state: 'detached' })
  await page.locator('.run-line', { hasText: 'rewound to step 30' }).waitFor()
  const { run } = await ask<{ run: { metrics: { lastStep: number }[] } }>(node.url, 'query ($id: ID!) { run(id: $id) { metrics(match: "train/loss") { lastStep } } }', { id: short })
  expect(run.metrics[0]?.lastStep).toBe(30)
})

test('a run is archived, brought back, and deleted for good once that is said twice', async () => {
  const { page, node } = lab
  await page.goto(`${node.url}/run/${long}`)
  await button('Archive').click()
  await button('Unarchive').waitFor()
  await button('Unarchive').click()
  await button('Archive').waitFor()
  await button('Delete…').click()
  await dialog().getByRole('button', { name: 'Keep it' }).click()
  await dialog().waitFor({ state: 'detached' })
  expect(await statusOf(node.url, long)).toBe('STOPPED')
  await button('Delete…').click()
  await dialog().getByRole('button', { name: 'Delete' }).click()
  await page.getByRole('heading', { name: `${name} long is deleted` }).waitFor()
  expect(await page.getByRole('status').filter({ hasText: 'That frees' }).innerText()).toMatch(/frees [\d.]+ (B|KiB|MiB) of the database/)
  expect((await ask<{ run: unknown }>(node.url, 'query ($id: ID!) { run(id: $id) { id } }', { id: long })).run).toBeNull()
  expect(lab.complaints).toEqual([])
})
