import { expect, test } from 'vitest'
import { deviceAsked, deviceName, parseCount } from './parse'

test.each([
  ['7B', 7e9],
  [' 2T ', 2e12],
  ['350 m', 3.5e8],
  ['1e9', 1e9],
  ['1.5k', 1500],
  ['$10k', 10_000],
  ['1,000', 1000],
])('%s is %d', (text, n) => expect(parseCount(text)).toBe(n))

test.each(['', 'x', '-1', '0', 'NaN', '7Q', '1e999', '1 2'])('%s is no count', (text) => expect(parseCount(text)).toBeUndefined())

test('devices by the names of their patterns', () => {
  expect(deviceName('gpu:*H200*')).toBe('H200')
  expect(deviceName('cpu:*')).toBe('cpu')
  expect(deviceAsked('cpu:*')).toBe('cpu')
  expect(deviceAsked('cpu:*xeon*')).toBe('cpu:xeon')
})
