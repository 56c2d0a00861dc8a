import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openPage, until } from './browser'
import { openLab, type Lab } from './lab'
import { ask, reproduce, statusOf, train } from './wishes'

let lab: Lab
let one: string
let two: string
let other: string
let again: string
const name = `side ${Date.now()}`

beforeAll(async () => {
  lab = await openLab('compare')
  one = await lab.trained(`${name} one`, 2e-3, 40, 1)
  two = await lab.trained(`${name} two`, 2e-3, 40, 2)
  other = await lab.trained(`${name} other`, 1e-4, 60, 1)
  again = await reproduce(lab.node.url, one)
  await until('the reproduction', () => statusOf(lab.node.url, again), (s) => s === 'FINISHED')
  const scored = () => ask<{ compareRuns: { scores: { values: (number | null)[] }[] } }>(lab.node.url, 'query ($ids: [ID!]!) { compareRuns(ids: $ids) { scores { values } } }', { ids: [one, two, other] })
  await until('scores', scored, ({ compareRuns: c }) => c.scores.length > 0 && c.scores.every((s) => s.values.every((v) => v !== null)))
})

afterAll(() => lab?.close())

const card = (title: string, on: Page = lab.page) => on.locator('.card', { has: on.getByRole('heading', { name: title, exact: true }) })
const rows = (of: ReturnType<typeof card>) => of.getByRole('rowheader').allInnerTexts()

// What the node says a metric's places are on an axis.
async function places(axis: string, key: string): Promise<number[][]> {
  const { metricSeries } = await ask<{ metricSeries: { x: number[] }[] }>(lab.node.url, 'query ($runs: [ID!]!, $keys: [String!]!, $axis: Axis) { metricSeries(runs: $runs, keys: $keys, axis: $axis) { x } }', { runs: [one, two, other], keys: [key], axis })
  return metricSeries.map((s) => s.x)
}

test('curves lie along the axis that the address names, placed by the node', async () => {
  const { page, node } = lab
  await page.goto(`${node.url}/compare?ids=${[one, two, other].join()}`)
  const chart = page.locator('figure.chart-card', { hasText: 'train/loss' }).first()
  await chart.locator('canvas').waitFor()
  for (const [axis, asked, title] of [
    ['tokens', 'TOKENS', 'tokens trained on'],
    ['FLOPs', 'FLOPS', 'floating point operations'],
    ['time', 'TIME', 'time since the start'],
    ['dollars', 'DOLLARS', 'US dollars spent'],
  ] as const) {
    const answered = page.waitForResponse((r) => (r.request().postData() ?? '').includes(`"axis":"${asked}"`))
    await page.getByRole('radio', { name: axis }).click()
    await page.waitForURL(new RegExp(`x=${axis.toLowerCase()}`))
    const { data } = (await (await answered).json()) as { data: { metricSeries: { key: string; x: number[] }[] } }
    const shown = data.metricSeries.filter((s) => s.key === 'train/loss').map((s) => s.x)
    expect(shown, axis).toEqual(await places(asked, 'train/loss'))
    await chart.locator('figcaption', { hasText: `by ${axis}` }).waitFor()
    expect(await card(`At the same ${axis}`).getByRole('columnheader').first().innerText()).toBe(title)
  }
  await page.getByRole('radio', { name: 'step' }).click()
  await page.waitForURL((url) => !url.searchParams.has('x'))
})

test('a shared address opens on its axis, and shows a part of it when it is dragged over', async () => {
  const { node, browser } = lab
  const { page, complaints } = await openPage(browser)
  await page.goto(`${node.url}/compare?ids=${[one, other].join()}&x=flops`)
  expect(await page.getByRole('radio', { name: 'FLOPs' }).getAttribute('aria-checked')).toBe('true')
  const chart = page.locator('figure.chart-card', { hasText: 'train/loss' }).first()
  const plot = chart.locator('.u-over')
  await plot.waitFor()
  const answered = page.waitForResponse((r) => ['"axis":"FLOPS"', '"fromStep":', '"toStep":'].every((part) => (r.request().postData() ?? '').includes(part)) && !/"fromStep":null/.test(r.request().postData() ?? ''))
  const box = await plot.boundingBox()
  if (!box) throw new Error('the chart has no plot')
  await page.mouse.move(box.x + box.width * 0.2, box.y + box.height / 2)
  await page.mouse.down()
  await page.mouse.move(box.x + box.width * 0.6, box.y + box.height / 2, { steps: 5 })
  await page.mouse.up()
  await answered
  await page.locator('.chip', { hasText: 'FLOP' }).waitFor()
  expect(complaints).toEqual([])
  await page.close()
})

test('values at the same places are those that the node aligned', async () => {
  const { page, node } = lab
  await page.goto(`${node.url}/compare?ids=${[one, other].join()}&x=tokens`)
  const table = card('At the same tokens')
  await until('the places', () => table.locator('tbody tr').count(), (n) => n === 11)
  await table.getByRole('combobox').selectOption('val/loss')
  const { compareRuns } = await ask<{ compareRuns: { aligned: { runs: { values: (number | null)[] }[] }[] } }>(
    node.url,
    'query ($ids: [ID!]!) { compareRuns(ids: $ids) { aligned(keys: ["val/loss"], by: TOKENS, places: 11) { runs { values } } } }',
    { ids: [one, other] },
  )
  const wanted = compareRuns.aligned[0]?.runs.map((r) => r.values.at(-1) ?? NaN) ?? []
  const last = () => table.locator('tbody tr').last().locator('td').allInnerTexts()
  await until('the last place', last, (got) => got.length === 2 && got.every((text, i) => Math.abs(Number(text) - (wanted[i] ?? NaN)) < 1e-3 * Number(text)))
})

test('what differs, the spread over seeds and what was done again stand side by side', async () => {
  const { page, node } = lab
  await page.goto(`${node.url}/compare?ids=${[one, two, other, again].join()}`)
  await card('What differs').getByRole('rowheader', { name: 'lr', exact: true }).waitFor()
  expect(await rows(card('What differs'))).toContain('seed')
  const seeds = card('Spread over seeds')
  expect(await seeds.locator('.branch').innerText()).toMatch(/differ in seed$/)
  const spread = seeds.locator('tr', { has: page.getByRole('rowheader', { name: 'quick/heldout/bits_per_byte' }) })
  expect(await spread.locator('td').first().innerText()).toBe('2')
  expect(await spread.locator('td').nth(1).innerText()).toMatch(/^\d\.\d+ ± \d[\d.e−]*$/)
  const verdict = page.getByRole('region', { name: 'Verdict of the reproduction' })
  expect(await verdict.innerText()).toMatch(/✓ identical[\s\S]*bit for bit/)
  expect(await rows(card('Spent'))).toContain('cost')
  await page.locator('.sample-row').first().waitFor()
})

test('what runs took of their machines stands side by side', async () => {
  const { page, node } = lab
  const id = await train(node.url, `${name} long`, lab.dataset, 1e-4, 1_000_000)
  const sampled = () => ask<{ run: { usage: { rss: number } | null } }>(node.url, 'query ($id: ID!) { run(id: $id) { usage { rss } } }', { id })
  await until('a sample of usage', sampled, ({ run }) => run.usage !== null)
  await ask(node.url, 'mutation ($input: StopRunInput!) { stopRun(input: $input) { userErrors { message } } }', { input: { id } })
  await until('the end', () => statusOf(node.url, id), (s) => s === 'STOPPED')
  await page.goto(`${node.url}/compare?ids=${[id, one].join()}`)
  const memory = card('Usage').locator('tr', { has: page.getByRole('rowheader', { name: 'memory of the process' }) })
  expect(await memory.locator('td').first().innerText()).toMatch(/^[\d.]+ (MiB|GiB) [\d.]+ (MiB|GiB)$/)
})

test('datasets and tokenizers of compared runs are told apart', async () => {
  const { page, node } = lab
  const second = await lab.curated(280)
  const elsewhere = await lab.trained(`${name} elsewhere`, 2e-3, 8, 1, second)
  await page.goto(`${node.url}/compare?ids=${[one, elsewhere].join()}`)
  const differs = card('What differs')
  await differs.getByRole('rowheader', { name: 'how the dataset was made' }).waitFor()
  const heads = await rows(differs)
  for (const wanted of ['inputs', 'dataset', 'tokenizer']) expect(heads, wanted).toContain(wanted)
  const recipe = differs.locator('tr', { has: page.getByRole('rowheader', { name: /vocab_size$/ }) }).last()
  expect(await recipe.locator('td').allInnerTexts()).toEqual(['300', '280'])
  expect(lab.complaints).toEqual([])
})

test('lineage goes both ways, as far as it is asked for', async () => {
  const { page, node } = lab
  await page.goto(`${node.url}/run/${one}/lineage`)
  const up = page.getByRole('region', { name: 'Came from' })
  const down = page.getByRole('region', { name: 'Came of it' })
  await up.getByRole('link', { name: lab.dataset }).first().waitFor()
  await up.getByText('2 steps away').waitFor()
  expect(await up.innerText()).toMatch(/curate[\s\S]*as dataset/)
  await down.getByText('as reproduction').waitFor()
  await down.getByRole('link', { name: 'checkpoint of step 40' }).waitFor()
  await page.getByRole('radio', { name: '1', exact: true }).click()
  await up.getByText('2 steps away').waitFor({ state: 'detached' })
  await down.getByRole('link', { name: 'checkpoint of step 40' }).click()
  await page.waitForURL(/\/checkpoints$/)
  expect(lab.complaints).toEqual([])
})
