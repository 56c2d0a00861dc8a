import { describe, expect, test } from 'vitest'
import { decode, formatBytes, formatCount, formatDollars, formatFlops, formatInteger, formatJoules, formatPercent, formatTick, formatValue, shortDigest } from './number'

test('numbers that JSON does not have arrive as strings', () => {
  expect(decode('NaN')).toBeNaN()
  expect(decode('Infinity')).toBe(Infinity)
  expect(decode('-Infinity')).toBe(-Infinity)
  expect(decode(1.5)).toBe(1.5)
  expect(decode(0)).toBe(0)
  expect(decode(null)).toBeNull()
  expect(decode(undefined)).toBeNull()
})

describe('what is odd is shown as what it is, everywhere', () => {
  test.each([formatValue, formatCount, formatInteger, formatBytes, formatDollars, formatFlops, formatJoules, formatPercent])('%o', (format) => {
    expect(format(NaN)).toBe('NaN')
    expect(format(Infinity)).toBe('∞')
    expect(format(-Infinity)).toBe('−∞')
    expect(format(null)).toBe('–')
    expect(format(undefined)).toBe('–')
  })
})

test.each([
  [2.3141592, '2.314'],
  [2, '2'],
  [2.1, '2.100'],
  [0, '0'],
  [-0.5, '−0.5000'],
  [0.000321, '0.0003210'],
  [0.00006, '6e−5'],
  [0.0000612345, '6.123e−5'],
  [12345.678, '12,346'],
  [5967.2, '5,967'],
  [-1e12, '−1e12'],
  [1.5e-300, '1.5e−300'],
])('value %d is %s', (x, text) => expect(formatValue(x)).toBe(text))

test.each([
  [0, '0'],
  [950, '950'],
  [1000, '1 k'],
  [12_345, '12.3 k'],
  [1_234_567, '1.23 M'],
  [999_999, '1 M'],
  [3.4e9, '3.4 B'],
  [2e12, '2 T'],
  [-4500, '−4.5 k'],
])('count %d is %s', (x, text) => expect(formatCount(x)).toBe(text))

test.each([
  [0, '$0'],
  [0.0042, '$0.0042'],
  [0.00421, '$0.0042'],
  [0.000001, '$0.000001'],
  [1e-9, '<$0.000001'],
  [0.05, '$0.05'],
  [0.0123, '$0.012'],
  [0.1, '$0.10'],
  [1.234, '$1.23'],
  [12_345.6, '$12,346'],
  [-2, '−$2.00'],
])('%d dollars are %s', (x, text) => expect(formatDollars(x)).toBe(text))

test.each([
  [0, '0 B'],
  [1023, '1023 B'],
  [1024, '1 KiB'],
  [4.2 * 2 ** 20, '4.2 MiB'],
  [24 * 2 ** 30, '24 GiB'],
  [1023.9 * 2 ** 20, '1 GiB'],
])('%d bytes are %s', (x, text) => expect(formatBytes(x)).toBe(text))

test.each([
  [321.5, '322 J'],
  [12_000, '12 kJ'],
  [3.6e6, '1 kWh'],
  [3.6e9, '1,000 kWh'],
])('%d joules are %s', (x, text) => expect(formatJoules(x)).toBe(text))

test('work', () => {
  expect(formatFlops(1.5e12)).toBe('1.5 TFLOP')
  expect(formatFlops(3.2e21)).toBe('3.2 kEFLOP')
  expect(formatFlops(2e18)).toBe('2 EFLOP')
})

test('ticks are short', () => {
  expect(formatTick(0)).toBe('0')
  expect(formatTick(0.30000000000000004)).toBe('0.3')
  expect(formatTick(20_000)).toBe('20 k')
  expect(formatTick(0.00005)).toBe('5e−5')
  expect(formatTick(-2)).toBe('−2')
})

test('shares and digests', () => {
  expect(formatPercent(4.56)).toBe('4.6 %')
  expect(formatPercent(187.5)).toBe('188 %')
  expect(shortDigest('sha256:0123456789abcdef')).toBe('0123456789ab')
})
