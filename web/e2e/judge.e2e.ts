import { afterAll, beforeAll, expect, test } from 'vitest'
import { until } from './browser'
import { openLab, type Lab } from './lab'
import { ask, statusOf } from './wishes'

let lab: Lab
let contest: { id: string; items: number }
const shots = process.env.SCREENSHOTS

beforeAll(async () => {
  lab = await openLab('judge')
  const url = lab.node.url
  const evaluations: string[] = []
  for (const [name, lr] of [['careful-miller', 3e-3], ['hasty-miller', 3e-2]] as const) {
    const run = await lab.trained(name, lr, 40)
    const { evaluateCheckpoint } = await ask<{ evaluateCheckpoint: { run: { id: string } } }>(
      url,
      'mutation ($input: EvaluateCheckpointInput!) { evaluateCheckpoint(input: $input) { run { id } } }',
      { input: { run, suite: 'samples' } },
    )
    evaluations.push(evaluateCheckpoint.run.id)
  }
  for (const id of evaluations) await until(`evaluation ${id}`, () => statusOf(url, id), (s) => s === 'FINISHED')
  const { openContest } = await ask<{ openContest: { contest: { id: string; items: number }; userErrors: object[] } }>(
    url,
    'mutation ($input: OpenContestInput!) { openContest(input: $input) { contest { id items } userErrors { message } } }',
    { input: { name: 'which miller', evaluations, guidelines: 'Which one sounds more like a miller?', overlap: 1 } },
  )
  expect(openContest.userErrors).toEqual([])
  contest = openContest.contest
}, 240_000)

afterAll(async () => lab?.close())

const status = () => lab.page.locator('.judge-head [role=status]').innerText()

test('a person judges by keyboard, and does not see who has answered', async () => {
  const { page, node } = lab
  const said: string[] = []
  page.on('response', async (r) => {
    if (r.url().endsWith('/graphql')) said.push(await r.text().catch(() => ''))
  })
  await page.goto(`${node.url}/judge`)
  await page.getByRole('link', { name: 'which miller' }).click()
  await page.getByLabel('Your name').fill('ada')
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'Left' }).waitFor()
  if (shots) await page.screenshot({ path: `${shots}/judge-light.png` })
  await page.emulateMedia({ colorScheme: 'dark' })
  if (shots) await page.screenshot({ path: `${shots}/judge-dark.png` })
  await page.emulateMedia({ colorScheme: 'light' })
  await page.keyboard.press('1')
  await until('a vote', status, (s) => s.startsWith('1 of'))
  await page.keyboard.press('u')
  await until('no vote', status, (s) => s.startsWith('0 of'))
  for (let n = 1; n <= contest.items; n++) {
    await page.keyboard.press(n % 2 ? '1' : '0')
    await until(`vote ${n}`, status, (s) => s.startsWith(`${n} of`))
  }
  await page.getByText('Everything is answered').waitFor()
  const all = said.join('\n')
  expect(all).toContain('nextComparison')
  expect(all).not.toContain('careful-miller')
  expect(all).not.toContain('hasty-miller')
})

test('the browser remembers who judges, and another one is asked anew', async () => {
  const { page, node } = lab
  await page.goto(`${node.url}/judge/${contest.id}`)
  await page.getByText('Everything is answered').waitFor()
  await page.getByRole('button', { name: 'Someone else' }).click()
  await page.getByLabel('Your name').fill('eve')
  await page.getByRole('button', { name: 'Begin' }).click()
  await page.getByRole('button', { name: 'Left is better' }).click()
  await until('a vote', status, (s) => s.startsWith('1 of'))
  await page.getByRole('button', { name: 'Undo' }).waitFor()
})

test('the results say who, how far raters agree, and appear in compare', async () => {
  const { page, node } = lab
  await page.goto(`${node.url}/judge/${contest.id}/results`)
  await page.getByRole('rowheader', { name: /careful-miller@40/ }).first().waitFor()
  await page.getByRole('heading', { name: 'Against each other' }).waitFor()
  expect(await page.getByRole('row', { name: /ada person/ }).innerText()).toContain(String(contest.items))
  if (shots) await page.screenshot({ path: `${shots}/results-light.png`, fullPage: true })
  await page.emulateMedia({ colorScheme: 'dark' })
  if (shots) await page.screenshot({ path: `${shots}/results-dark.png`, fullPage: true })
  await page.emulateMedia({ colorScheme: 'light' })
  const { runs } = await ask<{ runs: { nodes: { id: string }[] } }>(node.url, '{ runs(filter: { kind: [TRAIN] }) { nodes { id } } }')
  await page.goto(`${node.url}/compare?ids=${runs.nodes.map((r) => r.id).join(',')}`)
  await page.getByRole('heading', { name: 'Judged in which miller' }).waitFor()
  expect(lab.complaints).toEqual([])
})
