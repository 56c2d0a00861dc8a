import { afterAll, beforeAll, expect, test } from 'vitest'
import { until } from './browser'
import { openLab, type Lab } from './lab'

let lab: Lab
const mark = `f${Date.now()}` // tells our runs from those of others, on a node that is not ours alone

beforeAll(async () => {
  lab = await openLab('filters')
  await lab.trained(`${mark} low one`, 1e-4, 8, 1)
  await lab.trained(`${mark} low two`, 1e-4, 8, 2)
  await lab.trained(`${mark} high`, 3e-3, 8, 1)
})

afterAll(() => lab?.close())

const line = () => lab.page.getByRole('searchbox', { name: 'Search runs by words, or by a condition' })
const names = () => lab.page.locator('table.runs tbody .name').allInnerTexts()
const shows = (...wanted: string[]) => until('the list', names, (got) => JSON.stringify([...got].sort()) === JSON.stringify(wanted.map((w) => `${mark} ${w}`).sort()))

test('a condition picks runs as soon as it is entered, and lives in the address', async () => {
  const { page, node } = lab
  await page.goto(node.url)
  await line().fill(`${mark} and config.optimizer.lr <= 1e-4`)
  await line().press('Enter')
  await page.waitForURL(/q=.*config\.optimizer\.lr/)
  await shows('low one', 'low two')
  await page.reload()
  await shows('low one', 'low two')
  expect(await line().inputValue()).toBe(`${mark} and config.optimizer.lr <= 1e-4`)
})

test('a condition that cannot be read is pointed at, and the list stays as it was', async () => {
  const { page } = lab
  await line().fill(`${mark} and status = runing`)
  await line().press('Enter')
  const fault = page.locator('#search-fault')
  await fault.waitFor()
  expect(await fault.innerText()).toContain('there is no status "runing" (did you mean running?)')
  expect(await fault.locator('mark').innerText()).toBe('runing')
  expect(await line().getAttribute('aria-invalid')).toBe('true')
  expect(await line().getAttribute('aria-describedby')).toBe('search-fault')
  await shows('low one', 'low two')
  // Without Enter, after a pause.
  await line().fill(`${mark} and status = finished and config.optimizer.lr > 1e-4`)
  await shows('high')
  expect(await fault.count()).toBe(0)
})

test('the help has examples that can be taken', async () => {
  const { page } = lab
  await page.getByRole('button', { name: 'How to write conditions' }).click()
  await page.getByRole('region', { name: 'How to write conditions' }).getByRole('button', { name: 'status in (failed, crashed)' }).click()
  await page.waitForURL(/q=status\+in\+%28failed%2C\+crashed%29/)
  expect(await page.getByRole('region', { name: 'How to write conditions' }).count()).toBe(0)
  expect(await line().inputValue()).toBe('status in (failed, crashed)')
})

test('runs are ordered by any field, and by columns that were hidden', async () => {
  const { page, node } = lab
  await page.goto(`${node.url}/?q=${mark}`)
  await shows('low one', 'low two', 'high')
  await page.getByText('Order & group').click()
  const order = page.getByLabel('Order by')
  await order.fill('config.optimizer.lr desc, config.seed')
  await order.press('Enter')
  await page.waitForURL(/order=config/)
  await until('the order', names, (got) => got.join() === ['high', 'low one', 'low two'].map((n) => `${mark} ${n}`).join())
  await order.fill('config.optimizer.lr downwards')
  await order.press('Enter')
  const fault = page.locator('.menu-form .fault')
  await fault.waitFor()
  expect(await fault.locator('mark').innerText()).toBe('downwards')
  await page.setViewportSize({ width: 390, height: 844 })
  expect(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth), 'the page fits a phone').toBe(0)
  await page.setViewportSize({ width: 1280, height: 800 })
  await shows('low one', 'low two', 'high')
  await order.fill('')
  await order.press('Enter')
  await fault.waitFor({ state: 'detached' })

  await page.getByText('Columns').click()
  await page.getByRole('checkbox', { name: 'Tokens', exact: true }).check()
  await page.getByRole('button', { name: 'Tokens', exact: true }).click()
  await page.waitForURL(/sort=-tokens/)
  await shows('low one', 'low two', 'high')
})

test('groups tell how numbers spread, and open as the runs they are of', async () => {
  const { page, node } = lab
  await page.goto(`${node.url}/?q=${mark}`)
  await page.getByText('Order & group').click()
  await page.locator('.groupings').getByRole('button', { name: 'config.optimizer.lr' }).click()
  await page.waitForURL(/group=config\.optimizer\.lr/)
  const groups = page.locator('table.groups tbody tr')
  await until('the groups', () => groups.count(), (n) => n === 2)
  const low = groups.filter({ has: page.getByRole('button', { name: /0\.0001/ }) })
  expect(await low.locator('td').first().innerText()).toBe('2')
  expect(await low.innerText()).toMatch(/finished\s*2/)
  // Mean ± deviation of two seeds, and from least to greatest.
  expect(await low.locator('td').nth(2).innerText()).toMatch(/^\d[\d.]* ± \d[\d.e−]*\s+\d[\d.]* – \d[\d.]*$/)
  await low.getByRole('button').click()
  await shows('low one', 'low two')
  expect(await line().inputValue()).toBe(`(${mark}) and (config.optimizer.lr = 0.0001)`)
  expect(lab.complaints).toEqual([])
})
