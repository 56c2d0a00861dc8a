import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openBrowser, openPage, until } from './browser'
import { openNode, type RealNode } from './node'
import { ask, curate, curateRecorded, reproduce, train } from './wishes'

let node: RealNode
let browser: Browser
let page: Page
let complaints: string[]
let slow: string
let fast: string
const folder = mkdtempSync(join(tmpdir(), 'millrace-text-'))
const dataset = `mill-${Date.now()}`

beforeAll(async () => {
  node = await openNode()
  browser = await openBrowser()
  ;({ page, complaints } = await openPage(browser))
  await page.goto(node.url)
  await page.getByRole('navigation', { name: 'Pages' }).waitFor()
  // Lost if the page were ever loaded anew.
  await page.evaluate(() => Object.assign(window, { loadedOnce: true }))
})

afterAll(async () => {
  await browser?.close()
  await node?.close()
  rmSync(folder, { recursive: true })
})

const row = (id: string) => page.locator(`tr[data-run="${id}"]`)
const status = (id: string) => row(id).locator('.status').innerText()
const loadedOnce = () => page.evaluate(() => 'loadedOnce' in window)

test('a run appears without a reload, and ends before the reader', async () => {
  const id = await curate(node.url, dataset, folder)
  await row(id).waitFor({ timeout: 20_000 })
  expect(await row(id).locator('.name').innerText()).toBe(dataset)
  await until('the curate run', () => status(id), (s) => s === 'finished')
  expect(await loadedOnce()).toBe(true)
})

test('the curve of a run moves while it is looked at', async () => {
  slow = await train(node.url, 'slow learner', dataset, 1e-4, 60_000)
  await row(slow).locator('.name').click()
  await page.getByRole('heading', { name: 'slow learner' }).waitFor()
  const chart = page.locator('figure.chart-card', { hasText: 'loss' }).first()
  await chart.locator('canvas').waitFor({ timeout: 60_000 })
  const picture = () => chart.locator('canvas').evaluate((c: HTMLCanvasElement) => c.toDataURL())
  const points = async () => Number((await chart.locator('figcaption .dim').innerText()).replace(/[^0-9]/g, ''))
  const before = await picture()
  const first = await points()
  expect(first).toBeGreaterThan(0)
  await until('the curve', points, (n) => n > first)
  expect(await picture()).not.toBe(before)
  await until('progress', () => page.locator('.run-progress').innerText().catch(() => ''), (text) => /\d of 60,000 steps/.test(text), 30)
  expect(await loadedOnce()).toBe(true)
})

test('a run that is asked to stop says so, and is stopped', async () => {
  const stop = page.getByRole('button', { name: 'Stop' })
  await stop.click()
  await page.getByRole('button', { name: 'Really stop?' }).click()
  await until('the status', () => page.locator('.run-title .status').innerText(), (s) => s === 'stopped')
  expect(await page.locator('.refusal').count()).toBe(0)
})

test('a part of a curve is asked for anew when it is dragged over', async () => {
  const chart = page.locator('figure.chart-card', { hasText: 'loss' }).first()
  const answered = page.waitForResponse((r) => /"fromStep":\d/.test(r.request().postData() ?? ''))
  const box = await chart.locator('.u-over').boundingBox()
  if (!box) throw new Error('the chart has no plot')
  await page.mouse.move(box.x + box.width * 0.3, box.y + box.height / 2)
  await page.mouse.down()
  await page.mouse.move(box.x + box.width * 0.4, box.y + box.height / 2, { steps: 5 })
  await page.mouse.up()
  const answer = await answered
  const { fromStep, toStep } = (answer.request().postDataJSON() as { variables: { fromStep: number; toStep: number } }).variables
  const { data } = (await answer.json()) as { data: { run: { series: { steps: number[] }[] } } }
  const steps = data.run.series.flatMap((s) => s.steps)
  expect(steps.length).toBeGreaterThan(0)
  expect(steps.every((s) => s >= fromStep && s <= toStep), `${fromStep} to ${toStep}`).toBe(true)
  const chip = page.locator('.chip', { hasText: 'steps' })
  await chip.waitFor()
  await page.mouse.dblclick(box.x + box.width / 2, box.y + box.height / 2)
  await chip.waitFor({ state: 'detached' })
})

test('checkpoints get their scores and samples while they are looked at', async () => {
  fast = await train(node.url, 'fast learner', dataset, 3e-3, 60)
  await page.goto(`${node.url}/run/${fast}/checkpoints`)
  await page.locator('tbody tr .best').first().waitFor({ timeout: 90_000 })
  await page.locator('.sample pre').first().waitFor({ timeout: 30_000 })
  await until('the status', () => page.locator('.run-title .status').innerText(), (s) => s === 'finished')
})

test('two runs are compared by selecting them, and the address can be shared', async () => {
  await page.goto(node.url)
  expect(await page.getByText('quick of step').count(), 'evaluations are left out at first').toBe(0)
  await row(slow).getByRole('checkbox').check()
  expect(await page.getByRole('button', { name: 'Compare' }).isDisabled()).toBe(true)
  await row(fast).getByRole('checkbox').check()
  await page.getByRole('button', { name: 'Compare' }).click()
  await page.waitForURL(/\/compare\?ids=/)
  const address = page.url()

  const look = async (on: Page) => {
    const differs = on.locator('.card', { hasText: 'What differs' })
    await differs.getByRole('rowheader', { name: 'lr', exact: true }).waitFor()
    const cells = await differs.locator('tr', { has: on.getByRole('rowheader', { name: 'lr', exact: true }) }).locator('td').allInnerTexts()
    expect(cells.map(Number).sort()).toEqual([1e-4, 3e-3])
    expect(await differs.getByRole('rowheader', { name: 'n_layer', exact: true }).count(), 'what is the same is not shown').toBe(0)
    const chart = on.locator('figure.chart-card', { hasText: 'train/loss' }).first()
    await chart.locator('canvas').waitFor()
    expect((await chart.locator('.chart-label').allInnerTexts()).sort()).toEqual(['fast learner', 'slow learner'])
    await on.locator('.card', { hasText: 'Spent' }).getByRole('rowheader', { name: 'cost', exact: true }).waitFor()
  }
  await look(page)
  const other = await openPage(browser)
  await other.page.goto(address)
  await look(other.page)
  await other.page.getByRole('radio', { name: 'tokens' }).click()
  await other.page.waitForURL(/x=tokens/)
  await look(other.page)
  expect(other.complaints).toEqual([])
  await other.page.close()
})

test('a reproduction shows its verdict', async () => {
  const id = await reproduce(node.url, fast)
  await page.goto(`${node.url}/run/${id}`)
  const verdict = page.getByRole('region', { name: 'Verdict of the reproduction' })
  await until('the verdict', () => verdict.innerText().catch(() => ''), (text) => text.includes('identical') || text.includes('different'), 120)
  expect(await verdict.innerText()).toMatch(/✓ identical[\s\S]*points and \d+ checkpoint digests?/)
})

test('filters and order are the node’s, and live in the address', async () => {
  await page.goto(node.url)
  await page.getByRole('searchbox').fill('fast')
  await page.waitForURL(/q=fast/)
  await until('rows', () => page.locator('tbody tr .name').allInnerTexts(), (names) => names.length > 0 && names.every((n) => n.includes('fast')))
  await page.getByRole('button', { name: 'train/loss' }).click()
  await page.waitForURL(/sort=train_loss/)
  await page.getByRole('searchbox').fill('nothing is called this')
  await page.getByRole('heading', { name: 'No run fits' }).waitFor()
  await page.getByRole('button', { name: 'Show all runs' }).click()
  await row(slow).waitFor()
})

test('a dataset says why a document was dropped, by its id and by its text', async () => {
  const recorded = `${dataset}-recorded`
  const id = await curateRecorded(node.url, recorded, folder)
  const ended = async () => (await ask<{ run: { status: string } }>(node.url, 'query ($id: ID!) { run(id: $id) { status } }', { id })).run.status
  await until('the curate run', ended, (s) => s === 'FINISHED')
  await page.goto(`${node.url}/dataset/${recorded}`)
  await page.locator('.reasons', { hasText: 'min_words' }).waitFor()
  await page.locator('summary', { hasText: 'min_words' }).click()
  await page.getByRole('button', { name: 'text/small.txt' }).click()
  const decision = page.getByRole('region', { name: 'Decision' })
  await until('the decision', () => decision.innerText().catch(() => ''), (text) => /✕ dropped[\s\S]*by min_words: measured 3, threshold 50/.test(text))

  const box = page.getByRole('textbox', { name: 'Id of a document, or a text' })
  expect(await box.inputValue()).toBe('text/small.txt')
  await box.fill('far  too short ')
  await box.press('Enter')
  await page.getByText('White space and cleaning aside').waitFor()
  expect(await decision.innerText()).toContain('text/small.txt')
  await box.fill('text/doc7.txt')
  await page.getByRole('button', { name: 'Ask' }).click()
  await until('the duplicate', () => decision.innerText().catch(() => ''), (text) => text.includes('text/doc7.txt'))
  expect(await decision.innerText()).toMatch(/✕ dropped[\s\S]*by duplicate[\s\S]*repeats text\/doc7-again.txt/)
  await box.fill('text/doc8.txt')
  await box.press('Enter')
  await until('what is kept', () => decision.innerText().catch(() => ''), (text) => /✓ kept[\s\S]*shard \d+, document \d+/.test(text))
  await box.fill('Nobody wrote this.')
  await box.press('Enter')
  await page.getByText('was in the sources').waitFor()
  const sources = page.locator('.card', { hasText: 'of all that is kept' })
  expect(await sources.getByRole('rowheader').allInnerTexts()).toEqual(['text'])
  const lengths = page.locator('.card', { hasText: 'Characters a document' })
  expect(await lengths.locator('li').first().innerText()).toMatch(/to 2,047/)
  await page.setViewportSize({ width: 390, height: 844 })
  expect(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth), 'the page fits a phone').toBe(0)
  await page.setViewportSize({ width: 1280, height: 800 })
})

test('every page shows, and the browser has nothing to complain about', async () => {
  for (const [path, text] of [
    [`/run/${fast}/config`, 'weight_decay'],
    [`/run/${fast}/usage`, 'Environment'],
    [`/run/${fast}/console`, ''],
    [`/run/${fast}/lineage`, 'Came from'],
    ['/datasets', dataset],
    ['/experiments', 'browser'],
    ['/compare', 'Nothing to compare yet'],
    ['/run/absent', 'There is no such run'],
    ['/nowhere', 'There is no such page'],
  ] as const) {
    await page.goto(node.url + path)
    await page.locator('main', { hasText: text || /./ }).waitFor({ timeout: 15_000 })
    expect(await page.locator('.trouble').count(), path).toBe(0)
  }
  await page.goto(`${node.url}/datasets`)
  await page.getByRole('link', { name: dataset }).first().click()
  await page.getByRole('heading', { name: 'Splits' }).waitFor()
  await page.goto(`${node.url}/experiments`)
  await page.getByRole('link', { name: 'browser', exact: true }).click()
  await row(slow).waitFor()
  expect(complaints).toEqual([])
})

test('GraphiQL asks, subscribes and has the schema at hand', async () => {
  const other = await openPage(browser)
  await other.page.goto(`${node.url}/graphql`)
  await until('the question', () => other.page.locator('.graphiql-query-editor').innerText(), (text) => text.includes('appliedSeq'))
  await other.page.locator('.graphiql-execute-button').click()
  const answer = () => other.page.locator('.result-window').innerText()
  await until('the answer', answer, (text) => text.includes('appliedSeq'))
  await other.page.evaluate(() => {
    const editor = document.querySelector('.graphiql-query-editor .CodeMirror') as unknown as { CodeMirror: { setValue: (text: string) => void } }
    editor.CodeMirror.setValue('subscription { jobs { pending running } }')
  })
  await other.page.locator('.graphiql-execute-button').click()
  await until('the first value', answer, (text) => text.includes('"pending"'))
  await other.page.getByLabel('Show Documentation Explorer').click()
  await other.page.getByText('All Schema Types').waitFor()
  expect(other.complaints).toEqual([])
  await other.page.close()
})

test('a page that lost its node says so, comes back by itself and catches up', async (context) => {
  if (!node.kill || !node.start) return context.skip('the node at MILLRACE_URL is not ours to kill')
  await page.goto(node.url)
  await until('the line', () => page.locator('.line').innerText(), (text) => text.startsWith('live'))
  await page.evaluate(() => Object.assign(window, { loadedOnce: true }))
  const other = await openPage(browser)
  await other.page.goto(`${node.url}/run/${slow}`)
  await other.page.locator('canvas').first().waitFor()
  await node.kill()
  await until('the line', () => page.locator('.line').innerText(), (text) => text.startsWith('reconnecting'))
  await until('a question without an answer', () => other.page.locator('.line').innerText(), (text) => /^(reconnecting|no answer)/.test(text))
  expect(await row(slow).count(), 'what was known stays on the page').toBe(1)
  expect(await other.page.locator('canvas').count(), 'curves that were known stay on the page').toBeGreaterThan(0)
  await other.page.close()
  await node.start()
  const id = await train(node.url, 'while nobody looked', dataset, 1e-3, 20)
  await row(id).waitFor({ timeout: 30_000 })
  await until('the line', () => page.locator('.line').innerText(), (text) => text.startsWith('live'))
  expect(await loadedOnce()).toBe(true)
})

test('what training would take is asked for on a page, and a price can be changed', async () => {
  complaints.length = 0 // of the node that was gone
  await page.goto(`${node.url}/cost?model=llama2-7b&tokens=2T&device=A100&count=1000&mfu=39`)
  await page.getByText('6,738,415,616').waitFor()
  expect(await page.locator('.regime').innerText()).toContain('fixed at 2T')
  await page.getByLabel('Tokens', { exact: true }).fill('')
  await page.getByText('Tokens grow with size, 20 a parameter').waitFor()
  await page.getByRole('button', { name: 'Change the price of gpu:*A100*' }).click()
  await page.getByLabel('Dollars an hour').fill('1.11')
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByRole('cell', { name: '$1.11' }).waitFor()
  expect(complaints).toEqual([])
})
