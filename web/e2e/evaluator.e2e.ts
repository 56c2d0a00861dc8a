import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { until } from './browser'
import { openLab, type Lab } from './lab'
import { ask, statusOf, train } from './wishes'

let lab: Lab
let folder: string
let run: string
let early: string
let late: string
const shots = process.env.SCREENSHOTS

const questions = 60

beforeAll(async () => {
  lab = await openLab('evaluator')
  folder = mkdtempSync(join(tmpdir(), 'millrace-suite-'))
  addSuite(lab.node.url)
  const { startRun } = await ask<{ startRun: { run: { id: string } | null; userErrors: { message: string }[] } }>(
    lab.node.url,
    'mutation ($input: StartRunInput!) { startRun(input: $input) { run { id } userErrors { message } } }',
    {
      input: {
        kind: 'TRAIN',
        name: 'asked',
        experiment: 'questions',
        inputs: [{ role: 'dataset', digest: lab.dataset }],
        suites: ['mill'],
        config: {
          model: { n_layer: 1, n_head: 2, d_model: 32, context: 64 },
          batch_size: 4,
          steps: 40,
          checkpoint_every: 20,
          eval_every: 20,
          eval_batches: 1,
          optimizer: { name: 'adamw', lr: 3e-3, beta1: 0.9, beta2: 0.95, eps: 1e-8, weight_decay: 0.1 },
        },
      },
    },
  )
  expect(startRun.userErrors).toEqual([])
  run = startRun.run?.id ?? ''
  const judged = () =>
    ask<{ run: { evaluations: { step: number; answerCount: number; run: { id: string } }[] } }>(lab.node.url, 'query ($id: ID!) { run(id: $id) { evaluations { step answerCount run { id } } } }', { id: run })
  const { run: r } = await until('both evaluations', judged, ({ run: r }) => r.evaluations.length === 2)
  early = r.evaluations.find((e) => e.step === 20)?.run.id ?? ''
  late = r.evaluations.find((e) => e.step === 40)?.run.id ?? ''
}, 180_000)

afterAll(async () => {
  await lab?.close()
  if (folder) rmSync(folder, { recursive: true, force: true })
})

// A suite with files of its own is added by the program, as people do: it carries the files to the node.
function addSuite(url: string): void {
  const binary = process.env.MILLRACE_BIN
  if (!binary) throw new Error('set MILLRACE_BIN to the millrace binary (make build): a suite is added with it')
  const things = ['the miller', 'a trout', 'the old wheel', 'rain', 'the river']
  const rows = Array.from({ length: questions }, (_, i) => {
    const thing = things[i % 5] as string
    const choices = [`${thing} turns the stone near mill ${i % 26}.`, `near ${thing} mill turns.`, `xq ${i} zz`]
    const answer = i % 3
    return JSON.stringify({ question: `What of ${thing}? (${i})`, choices: [...choices.slice(3 - answer), ...choices.slice(0, 3 - answer)], answer })
  })
  writeFileSync(join(folder, 'rows.jsonl'), rows.join('\n'))
  writeFileSync(join(folder, 'ends.jsonl'), things.map((t) => JSON.stringify({ prompt: t, references: [' turns'] })).join('\n'))
  const tasks = [
    { name: 'sentences', version: 1, kind: 'multiple_choice', source: { form: 'jsonl' }, template: { prompt: '{{question}}\n' }, metrics: ['acc', 'acc_norm'] },
    { name: 'ends', version: 1, kind: 'generate', source: { form: 'jsonl' }, template: { prompt: '{{prompt}}' }, max_tokens: 4, metrics: ['exact_match'] },
    'hellaswag@1',
  ]
  writeFileSync(join(folder, 'mill.json'), JSON.stringify({ format: 'millrace.suite/2', name: 'mill', version: 1, tasks }))
  const added = spawnSync(binary, ['suite', 'add', 'mill.json', '--file', 'sentences=rows.jsonl', '--file', 'ends=ends.jsonl', '--url', url], { cwd: folder, encoding: 'utf8' })
  if (added.status !== 0) throw new Error(added.stderr)
}

const card = (title: string) => lab.page.locator('.card', { has: lab.page.getByRole('heading', { name: title, exact: true }) })
const answers = () => lab.page.locator('.answer')

async function shoot(name: string): Promise<void> {
  const { page } = lab
  await page.setViewportSize({ width: 390, height: 844 })
  expect(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth), `${name} fits a phone`).toBe(0)
  if (shots) await page.screenshot({ path: `${shots}/${name}-phone.png`, fullPage: true })
  await page.setViewportSize({ width: 1280, height: 800 })
  if (!shots) return
  for (const colorScheme of ['dark', 'light'] as const) {
    await page.emulateMedia({ colorScheme })
    await page.screenshot({ path: `${shots}/${name}-${colorScheme}.png`, fullPage: true })
  }
}

// What the node says of an evaluation's answers.
async function told(id: string, which: string): Promise<{ task: string; id: string }[]> {
  const query = `query ($id: ID!) { node(id: $id) { ... on Evaluation { answers(${which} first: 500) { nodes { task id } } } } }`
  return (await ask<{ node: { answers: { nodes: { task: string; id: string }[] } } }>(lab.node.url, query, { id: `evaluation:${id}` })).node.answers.nodes
}

test('a score leads to its answers, which can be picked, searched and paged', async () => {
  const { page, node } = lab
  await page.goto(`${node.url}/run/${run}/checkpoints`)
  await card('Checkpoints').locator('tbody tr', { hasText: '20' }).last().locator('.score-link').first().click()
  await page.waitForURL(new RegExp(`/run/${early}/answers\\?task=sentences`))
  await until('a page', () => answers().count(), (n) => n === 25)
  const first = await answers().first().innerText()
  expect(first).toContain('What of the miller? (0)')
  expect(first).toMatch(/✓ taken|✕ taken/)
  expect(first).toMatch(/−\d+\.\d/)
  await shoot('answers')
  await page.getByRole('button', { name: 'next →' }).click()
  await until('the second page', () => answers().first().innerText(), (text) => text.includes('(25)'))
  await page.getByRole('button', { name: 'next →' }).click()
  await until('the last page', () => answers().count(), (n) => n === questions - 50)
  for (const [show, which, sign] of [
    ['wrong', 'task: "sentences", onlyWrong: true,', '✕ wrong'],
    ['right', '', '✓ right'],
  ] as const) {
    await page.getByRole('radio', { name: show, exact: true }).click()
    const wrong = await told(early, 'task: "sentences", onlyWrong: true,')
    const wanted = which ? wrong.length : questions - wrong.length
    await until(show, () => answers().count(), (n) => n === Math.min(25, wanted))
    if (wanted > 0) await until(show, () => answers().first().innerText(), (text) => text.includes(sign))
  }
  await page.getByRole('radio', { name: 'all', exact: true }).click()
  await page.getByRole('searchbox', { name: 'Search answers' }).fill('TROUT (46)')
  await until('what was searched', () => answers().allInnerTexts(), (texts) => texts.length === 1 && (texts[0] ?? '').includes('What of a trout? (46)'))
  await page.waitForURL(/q=TROUT/)
  await page.getByRole('combobox', { name: 'Task', exact: true }).selectOption('ends')
  await page.getByText('No answer fits').waitFor()
  await page.getByRole('searchbox', { name: 'Search answers' }).fill('')
  await until('what was written', () => answers().count(), (n) => n === 5)
  expect(await answers().first().innerText()).toMatch(/said[\s\S]*wanted[\s\S]*turns/)
})

test('two evaluations side by side say which examples changed', async () => {
  const { page, node } = lab
  await page.goto(`${node.url}/run/${late}/answers?task=sentences`)
  await page.getByRole('combobox', { name: 'Compare with' }).selectOption({ label: 'asked at step 20' })
  await card('How far the scores moved').getByRole('row', { name: /sentences acc norm/ }).waitFor()
  const { evaluationDifference: d } = await ask<{ evaluationDifference: Record<string, number> }>(
    node.url,
    'query ($was: ID!, $is: ID!) { evaluationDifference(was: $was, is: $is, task: "sentences") { newlyRight newlyWrong stillRight stillWrong } }',
    { was: early, is: late },
  )
  const changed = (d.newlyRight ?? 0) + (d.newlyWrong ?? 0)
  await page.getByRole('radio', { name: `changed ${changed}` }).waitFor()
  await until('what changed', () => answers().count(), (n) => n === Math.min(25, changed))
  await page.getByRole('radio', { name: `still right ${d.stillRight}` }).click()
  await until('what stayed', () => answers().count(), (n) => n === Math.min(25, d.stillRight ?? 0))
  await shoot('difference')
  await page.getByRole('link', { name: 'asked at step 20' }).first().click()
  await page.waitForURL(new RegExp(`/run/${early}/answers`))
})

test('the scores of an evaluation name what has none, and its suite says why', async () => {
  const { page, node } = lab
  await page.goto(`${node.url}/run/${late}`)
  await card('Tasks without scores').getByText('no_data').waitFor()
  await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Suites' }).click()
  await page.getByRole('link', { name: 'mill', exact: true }).waitFor()
  await shoot('suites')
  await page.getByRole('link', { name: 'mill', exact: true }).click()
  const tasks = card('Tasks')
  expect(await tasks.getByRole('row', { name: /sentences/ }).innerText()).toMatch(/multiple choice[\s\S]*rows\.jsonl/)
  expect(await tasks.getByRole('row', { name: /hellaswag/ }).innerText()).toContain('no_data')
  await card('Evaluations').getByRole('link', { name: 'asked at step 40' }).waitFor()
  await shoot('suite')
  expect(lab.complaints).toEqual([])
})

test('a rule is made from a ready-made one, turned off, seen to act, and removed', async () => {
  const { page, node } = lab
  await page.goto(`${node.url}/rules`)
  await page.getByText('No rules yet').waitFor()
  await page.getByRole('button', { name: 'New rule…' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Begin with').selectOption('early-stopping')
  await dialog.getByLabel('patience').fill('7')
  await until('the preview', () => dialog.getByLabel('The rule').innerText(), (text) => text.includes('>= 7'))
  if (shots) await page.screenshot({ path: `${shots}/rule-dialog.png` })
  await dialog.getByRole('button', { name: 'Save' }).click()
  await page.getByRole('heading', { name: 'early stopping (val/loss)' }).waitFor()
  await page.getByText("stale(key, 'min', 0.0) >= 7").waitFor()
  await page.getByRole('button', { name: 'Disable' }).click()
  await page.getByRole('button', { name: 'Enable' }).waitFor()
  await page.goto(`${node.url}/rules`)
  const acts = page.getByRole('switch', { name: 'early stopping (val/loss) acts' })
  expect(await acts.isChecked()).toBe(false)
  await acts.click()
  await until('acts', () => acts.isChecked(), (on) => on)

  await page.getByRole('button', { name: 'New rule…' }).click()
  await dialog.getByLabel('Begin with').selectOption('one of your own')
  const rule = dialog.getByRole('textbox', { name: 'Rule' })
  await rule.fill('{"name": "again", "on": "run.ended", "when": "run.nmae == 1", "then": {"reproduce": {}}}')
  await dialog.getByRole('button', { name: 'Save' }).click()
  await until('the refusal', () => dialog.getByRole('alert').innerText().catch(() => ''), (text) => text.includes('nmae'))
  await rule.fill('{"name": "again", "on": "run.ended", "repeat": "run", "when": "run.name == \'spark\'", "then": {"reproduce": {}}}')
  await dialog.getByRole('button', { name: 'Try against the past week' }).click()
  await dialog.getByText('It would not have fired.').waitFor({ timeout: 60_000 })
  await dialog.getByRole('button', { name: 'Save' }).click()
  await page.getByText('It has not fired yet.').waitFor()
  await train(node.url, 'spark', lab.dataset, 1e-3, 4)
  await page.getByRole('link', { name: 'reproduction of spark' }).waitFor({ timeout: 60_000 })
  expect(await card('What it did').locator('tbody tr').innerText()).toMatch(/spark[\s\S]*reproduce the run[\s\S]*✓ done[\s\S]*started/)
  await page.getByRole('button', { name: 'Try against the past week' }).click()
  const trial = card('Against the past week')
  await trial.getByText('It would have fired once, about 1 run.').waitFor({ timeout: 60_000 })
  await trial.getByRole('link', { name: 'spark', exact: true }).waitFor()
  await trial.getByText('would be done').waitFor()
  await shoot('rule')
  await page.goto(`${node.url}/rules`)
  await card('What rules did last').getByRole('link', { name: 'again' }).waitFor()
  await shoot('rules')
  await page.getByRole('link', { name: 'again' }).first().click()
  await page.getByRole('button', { name: 'Remove…' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click()
  await card('What rules did last').getByText('again, removed').first().waitFor()
  expect(lab.complaints).toEqual([])
})

test('a sweep fills its page while it runs: lines, rungs and trials', async () => {
  const { page, node } = lab
  await page.goto(`${node.url}/sweeps`)
  await page.getByText('millrace sweep start rates.json').waitFor()
  const input = {
    name: 'rates',
    experiment: 'questions',
    inputs: [{ role: 'dataset', digest: lab.dataset }],
    config: { model: { n_layer: 1, n_head: 2, d_model: 32, context: 16 }, steps: 9, batch_size: 2, eval_every: 3, eval_batches: 1 },
    space: { 'optimizer.lr': { min: 1e-4, max: 1e-2, log: true }, batch_size: { values: [2, 4] } },
    method: 'asha',
    metric: 'val/loss',
    direction: 'min',
    maxRuns: 6,
    parallel: 2,
    minSteps: 3,
    maxSteps: 9,
    eta: 3,
  }
  const { startSweep } = await ask<{ startSweep: { sweep: { id: string } | null; userErrors: { message: string }[] } }>(
    node.url,
    'mutation ($input: StartSweepInput!) { startSweep(input: $input) { sweep { id } userErrors { message } } }',
    { input },
  )
  expect(startSweep.userErrors).toEqual([])
  await page.getByRole('link', { name: 'rates', exact: true }).click() // it appears by itself
  await until('the end', () => page.locator('.run-title').innerText(), (text) => text.includes('finished'))
  const rows = page.locator('.trials tbody tr')
  await until('the trials', () => rows.count(), (n) => n === 6)
  const { sweep } = await ask<{ sweep: { best: string; trials: { number: number; run: string; scores: unknown[] }[] } }>(node.url, 'query ($id: String!) { sweep(id: $id) { best trials { number run scores { rung } } } }', { id: startSweep.sweep?.id })
  const winner = sweep.trials.find((t) => t.run === sweep.best)
  expect(await rows.first().locator('td').first().innerText(), 'the best stands first').toBe(String(winner?.number))
  const on = sweep.trials.filter((t) => t.scores.length > 1).length
  expect(await card('Rungs').locator('tbody tr').first().locator('td').nth(1).innerText()).toBe(String(on))
  await page.getByRole('columnheader', { name: 'optimizer.lr' }).getByRole('button').click()
  const rates = (await rows.locator('td:last-child').allInnerTexts()).map((text) => Number(text.replace('−', '-')))
  expect(rates).toEqual([...rates].sort((a, b) => a - b))
  await shoot('sweep')

  const canvas = page.locator('.parallel-box canvas').last()
  await canvas.scrollIntoViewIfNeeded()
  const box = await canvas.boundingBox()
  if (!box) throw new Error('the plot has no place')
  // Half of the first axis, which is the one of batch_size: its upper value.
  await page.mouse.move(box.x + 34, box.y + 4)
  await page.mouse.down()
  await page.mouse.move(box.x + 34, box.y + box.height / 2, { steps: 4 })
  await page.mouse.up()
  await page.locator('.chip', { hasText: 'batch_size' }).waitFor()
  expect(new Set(await rows.locator('td:nth-last-child(2)').allInnerTexts())).toEqual(new Set(['4']))
  await page.locator('.chip').click()
  await until('all trials', () => rows.count(), (n) => n === 6)

  await rows.first().getByRole('link').click()
  await page.locator('.tag', { hasText: 'sweep' }).getByRole('link').click()
  await page.getByRole('heading', { name: 'rates' }).waitFor()
  await page.goto(`${node.url}/experiments`)
  await page.getByRole('link', { name: 'questions', exact: true }).click()
  await page.getByRole('link', { name: 'rates', exact: true }).waitFor()
  expect(await statusOf(node.url, sweep.best)).toBe('FINISHED')
  expect(lab.complaints).toEqual([])
})

test('what is not there is said, with the way back', async () => {
  const { page, node } = lab
  for (const [path, text] of [
    ['/suite/none', 'There is no such suite'],
    ['/suite/mill/9', 'There is no such suite'],
    ['/rule/none', 'There is no such rule'],
    ['/sweep/none', 'There is no such sweep'],
    [`/run/${early}/answers?against=none`, 'kept no answers'],
  ] as const) {
    await page.goto(node.url + path)
    await page.locator('main', { hasText: text }).waitFor({ timeout: 15_000 })
  }
  expect(lab.complaints).toEqual([])
})
