import { describe, expect, test } from 'vitest'
import { decodeCurve, extend, extendAll, type Curve } from './curve'

const curve = (steps: number[], values: number[], more: Partial<Curve> = {}): Curve => ({
  run: 'r', key: 'train/loss', context: '', writer: 'attempt-1', steps, values, min: null, max: null, times: steps.map((s) => s * 10), points: steps.length, ...more,
})

test('odd values survive the wire', () => {
  const c = decodeCurve({ run: 'r', key: 'k', context: '', writer: 'w', steps: [1, 2, 3], values: [1.5, 'NaN', 'Infinity'], min: [1, 'NaN', '-Infinity'], max: null, times: [1, 2, 3], points: 3, thinned: false })
  expect(c.values).toEqual([1.5, NaN, Infinity])
  expect(c.min).toEqual([1, NaN, -Infinity])
  expect(c.max).toBeNull()
})

describe('a curve that grows', () => {
  test('at its end', () => {
    expect(extend(curve([1, 2], [10, 20]), curve([3], [30]))).toEqual(curve([1, 2, 3], [10, 20, 30]))
  })

  test('by points it has already stays as it is', () => {
    const c = curve([1, 2], [10, 20])
    expect(extend(c, curve([1, 2], [10, 20]))).toEqual(c)
  })

  test('where a resumed run did steps again: the newest value stands', () => {
    expect(extend(curve([1, 2, 3], [10, 20, 30]), curve([2, 3, 4], [21, 31, 41]))).toEqual(curve([1, 2, 3, 4], [10, 21, 31, 41]))
  })

  test('in any order of steps', () => {
    expect(extend(curve([10, 20], [1, 2]), curve([15, 5], [3, 4]))).toEqual(curve([5, 10, 15, 20], [4, 1, 3, 2]))
  })

  test('from thinned to exact: late points bound only themselves, and all points are counted', () => {
    const thinned = curve([10, 20], [1, 2], { min: [0, 1], max: [5, 6], points: 20 })
    expect(extend(thinned, curve([21, 22], [3, 4]))).toEqual({ ...curve([10, 20, 21, 22], [1, 2, 3, 4]), min: [0, 1, 3, 4], max: [5, 6, 3, 4], points: 22 })
  })

  test('leaves both arguments alone', () => {
    const a = curve([1, 2], [10, 20])
    const b = curve([2, 3], [21, 30])
    extend(a, b)
    expect(a).toEqual(curve([1, 2], [10, 20]))
    expect(b).toEqual(curve([2, 3], [21, 30]))
  })
})

test('points find their own curve, and a new writer gets a new one', () => {
  const a = curve([1], [10])
  const other = curve([1], [99], { writer: 'attempt-2' })
  const next = extendAll([a], [curve([2], [20]), other, curve([2], [98], { writer: 'attempt-2' })])
  expect(next).toEqual([curve([1, 2], [10, 20]), curve([1, 2], [99, 98], { writer: 'attempt-2' })])
  expect(extendAll(next, [])).toBe(next)
})
