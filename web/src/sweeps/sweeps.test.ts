import { describe, expect, test } from 'vitest'
import { byValue, nearest, pathsOf, placesOf, rangeWords, rowsOf, rungsOf, settingAxis, sorted, valueAxis, within } from './trials'

const trial = (number: number, lr: number, values: (number | string | null)[], went = values.length - 1) => ({
  number,
  run: `run${number}`,
  status: 'FINISHED' as const,
  rung: went,
  settings: { 'optimizer.lr': lr, act: number % 2 ? 'gelu' : 'relu' },
  scores: values.map((value, rung) => ({ rung, steps: 10 * 3 ** rung, value, message: value === null ? 'no loss' : null })),
})

const rows = rowsOf([trial(0, 1e-4, [5]), trial(1, 1e-3, [4, 3, 2]), trial(2, 1e-2, [3, 2.5]), trial(3, 1e-1, ['NaN']), trial(4, 5e-4, [null]), trial(5, 2e-3, [])])
const numbers = (list: typeof rows) => list.map((r) => r.number)

describe('the table', () => {
  test('ranks who went furthest first, and the better of those', () => {
    expect(numbers(sorted(rows, 'rank', false, 'min'))).toEqual([1, 2, 0, 3, 4, 5])
    expect(numbers(sorted(rowsOf([trial(0, 1, [1]), trial(1, 1, [2])]), 'rank', false, 'max'))).toEqual([1, 0])
  })
  test('sorts by any column, what is missing last either way', () => {
    expect(numbers(sorted(rows, 'value', false, 'min'))).toEqual([1, 2, 0, 3, 4, 5])
    expect(numbers(sorted(rows, 'value', true, 'min'))).toEqual([0, 2, 1, 3, 4, 5])
    expect(numbers(sorted(rows, 'optimizer.lr', true, 'min'))).toEqual([3, 2, 5, 1, 4, 0])
    expect(numbers(sorted(rows, 'act', false, 'min'))).toEqual([1, 3, 5, 0, 2, 4])
  })
  test('values that are no numbers are never better', () => {
    expect([NaN, 2, null, 1].sort(byValue('min'))).toEqual([1, 2, NaN, null])
    expect([NaN, 2, null, 1].sort(byValue('max'))).toEqual([2, 1, NaN, null])
  })
})

describe('axes', () => {
  test('of listed values stand at even distances', () => {
    const a = settingAxis('batch_size', { values: [32, 4, 8] }, [])
    expect([4, 8, 32, 5].map(a.at)).toEqual([0, 0.5, 1, null])
    expect(a.ticks.map((t) => t.text)).toEqual(['4', '8', '32'])
    expect(settingAxis('act', { values: ['relu', 'gelu'] }, []).at('gelu')).toBe(1)
    expect(settingAxis('one', { values: [7] }, []).at(7)).toBe(0.5)
  })
  test('of ranges, linear and logarithmic', () => {
    const lr = settingAxis('optimizer.lr', { min: 1e-4, max: 1e-2, log: true }, [])
    expect(lr.at(1e-3)).toBeCloseTo(0.5)
    expect(lr.at('x')).toBeNull()
    expect(lr.at(0)).toBeNull()
    expect(lr.ticks.map((t) => t.text)).toContain('0.001')
    const n = settingAxis('n', { min: 1, max: 3, int: true }, [])
    expect(n.at(2)).toBe(0.5)
    expect(n.ticks.map((t) => t.text)).toEqual(['1', '2', '3'])
  })
  test('of a space that is not understood are taken from the trials', () => {
    expect(settingAxis('act', null, rows).ticks.map((t) => t.text)).toEqual(['relu', 'gelu'])
  })
  test('of values, of which there may be one or none', () => {
    expect(valueAxis('loss', [3, 3]).at(3)).toBeCloseTo(0.5)
    expect(valueAxis('loss', [null, NaN]).at(0.5)).toBe(0.5)
    expect(valueAxis('loss', [1, 100]).log).toBe(true)
    expect(valueAxis('loss', [-1, 100]).log).toBe(false)
    for (const values of [[0, 1], [2.31, 2.34], [-5, 1e6], [1e-9, 1e9], [0.5, 4.9]]) {
      const axis = valueAxis('loss', values)
      expect(axis.ticks.length, String(values)).toBeGreaterThan(1)
      expect(axis.ticks.length, String(values)).toBeLessThan(12)
      for (const t of axis.ticks) expect(t.at).toBeGreaterThanOrEqual(0)
    }
    expect(valueAxis('loss', Array.from({ length: 200_000 }, (_, i) => i)).at(0)).toBe(0)
  })
})

describe('the plot', () => {
  const axes = [settingAxis('act', { values: ['relu', 'gelu'] }, rows), settingAxis('optimizer.lr', { min: 1e-4, max: 1e-1, log: true }, rows), valueAxis('loss', rows.map((r) => r.value))]
  const lines = rows.map((r) => placesOf(r, axes))
  test('finds the line under the pointer', () => {
    expect(nearest(lines, 0, 0.01, 0.1)).not.toBeNull()
    expect(nearest(lines, 1, 1, 0.05)).toBe(3)
    expect(nearest(lines, 1, 0.5, 0.01)).toBeNull()
    expect(nearest([], 0, 0, 1)).toBeNull()
  })
  test('picks what goes through all parts that were dragged over', () => {
    expect(rows.filter((_, i) => within(lines[i] ?? [], new Map([[0, [0.9, 1]]]))).map((r) => r.number)).toEqual([1, 3, 5])
    expect(rows.filter((_, i) => within(lines[i] ?? [], new Map([[0, [0.9, 1]], [2, [0, 1]]]))).map((r) => r.number)).toEqual([1])
  })
})

test('rungs: who came, who went on, with what', () => {
  const [first, second, third] = rungsOf(rows, [10, 30, 90], 'min')
  expect(first).toEqual({ rung: 0, steps: 10, came: 5, wentOn: 2, best: 3, bar: 4 })
  expect(second).toEqual({ rung: 1, steps: 30, came: 2, wentOn: 1, best: 2.5, bar: 3 })
  expect(third).toEqual({ rung: 2, steps: 90, came: 1, wentOn: 0, best: 2, bar: null })
})

test('a space in words', () => {
  expect(pathsOf({ b: {}, a: {} })).toEqual(['a', 'b'])
  expect(rangeWords({ values: [4, 'x', null] })).toBe('4, x, null')
  expect(rangeWords({ min: 0.0001, max: 0.01, log: true })).toBe('0.0001 to 0.01, logarithmic')
  expect(rangeWords({ min: 1, max: 3, int: true })).toBe('1 to 3, whole')
})
