import { expect, test } from 'vitest'
import { smooth } from './smooth'

test('the first value is itself, and a constant stays what it is', () => {
  expect(smooth([3, 3, 3], 0.9)).toEqual([expect.closeTo(3), expect.closeTo(3), expect.closeTo(3)])
})

test('by hand: weight one half', () => {
  // s = 0.5, 1.25; shown 0.5/0.5 = 1, 1.25/0.75
  const [first, second] = smooth([1, 2], 0.5)
  expect(first).toBeCloseTo(1)
  expect(second).toBeCloseTo(5 / 3)
})

test('a NaN is still seen and spoils nothing after it', () => {
  const out = smooth([1, NaN, 1, Infinity, 1], 0.9)
  expect(out[1]).toBeNaN()
  expect(out[3]).toBe(Infinity)
  expect(out[4]).toBeCloseTo(1)
})
