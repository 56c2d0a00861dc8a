import { afterAll, beforeAll, expect, test } from 'vitest'
import { until } from './browser'
import { openLab, type Lab } from './lab'

let lab: Lab
let run: string

beforeAll(async () => {
  lab = await openLab('chat')
  run = await lab.trained('talker', 1e-2, 60)
}, 120_000)

afterAll(async () => lab?.close())

const turns = () => lab.page.getByRole('log').locator('.turn').allInnerTexts()
const busy = () => lab.page.getByRole('log').getAttribute('aria-busy')

test('a checkpoint answers, token by token, by keyboard', async () => {
  const { page, node } = lab
  await page.goto(`${node.url}/chat`)
  await until('the list', () => page.getByRole('combobox', { name: 'Checkpoint' }).inputValue(), (v) => v.startsWith(run))
  await page.getByLabel('Tokens').fill('12')
  await page.getByLabel('Temperature').fill('0')
  await page.getByLabel('Message').focus()
  await page.keyboard.type('hi')
  await page.keyboard.press('Enter')
  await until('the question', turns, (t) => t[0] === 'hi')
  await until('the end', busy, (b) => b === 'false')
  expect(await turns()).toHaveLength(2)
  expect(await page.getByLabel('Message').evaluate((f) => f === document.activeElement)).toBe(true)
  if (process.env.SCREENSHOT) await page.screenshot({ path: process.env.SCREENSHOT })
})

test('the same settings say the same text, and Escape stops', async () => {
  const { page } = lab
  await page.getByRole('radio', { name: 'go on' }).click()
  const field = page.getByLabel('Text to go on with')
  const said = async () => {
    await page.getByRole('button', { name: 'Begin anew' }).click()
    await field.fill('the miller')
    await field.press('Enter')
    await until('the end', async () => `${await busy()} ${(await turns()).length}`, (s) => s === 'false 2')
    return (await turns())[1]
  }
  await field.fill('the miller')
  await field.press('Enter')
  await until('the end', async () => `${await busy()} ${(await turns()).length}`, (s) => s === 'false 2')
  const first = (await turns())[1]
  expect(await said()).toBe(first)
  expect(first).toBeTruthy()
})

test('a wrong number is named, and nothing is asked', async () => {
  const { page } = lab
  await page.getByLabel('Top-k').fill('many')
  await page.getByText('“many” is not a number').waitFor()
  expect(await page.getByRole('button', { name: 'Go on' }).isDisabled()).toBe(true)
  expect(lab.complaints).toEqual([])
})
