import { describe, expect, test } from 'vitest'
import type { Curve } from '../chart/curve'
import { axisOf, looks, placed, stepsWithin, xAxes } from './axis'
import { bestOf, change, direction } from './best'
import { byImportance } from '../metrics/order'

const curve: Curve = { run: 'r', key: 'k', context: '', writer: '', steps: [0, 50, 100, 300], values: [1, 2, 3, 4], min: null, max: null, times: [1000, 1005, 1010, 1030], points: 4 }

describe('x axes', () => {
  test('are named by the address in any case', () => {
    expect(['flops', 'FLOPs', 'dollars', 'wall', null].map(axisOf)).toEqual(['FLOPs', 'FLOPs', 'dollars', 'step', 'step'])
  })

  test('write their unit', () => {
    expect(xAxes.map((a) => looks[a].format(2500))).toEqual(['2500', '2.5 k', '2.5 kFLOP', '41 m 40 s', '$2,500'])
    expect(looks.time.format(0.25)).toBe('250 ms')
  })

  const by = (x: (number | string)[] | null) => placed(curve, x, x ? null : 'no price')
  test('have the places that the node gave', () => {
    expect(by([0, 1.5, 'NaN', 3]).x).toEqual([0, 1.5, NaN, 3])
    expect(by(null)).toMatchObject({ x: [NaN, NaN, NaN, NaN], noAxis: 'no price' })
  })

  test('a part of an axis covers steps, one more on each side', () => {
    expect(stepsWithin([by([0, 5, 10, 30])], [4, 12])).toEqual([0, 300])
    expect(stepsWithin([by([0, 5, 10, 30])], [0, 5])).toEqual([0, 100])
    expect(stepsWithin([by([0, 5, 10, 30])], [31, 40])).toBeNull()
    expect(stepsWithin([by(null)], [0, 10])).toBeNull()
  })
})

describe('best', () => {
  test('is one of several different values', () => {
    expect(bestOf([2, 1, 3], false)).toBe(1)
    expect(bestOf([2, 1, 3], true)).toBe(2)
    expect(bestOf([2, null, NaN, 1], false)).toBe(3)
  })
  test('is nobody in a tie of all, or alone, or among NaN', () => {
    expect(bestOf([2, 2], false)).toBeNull()
    expect(bestOf([2, null], false)).toBeNull()
    expect(bestOf([NaN, NaN, 1], true)).toBeNull()
  })
  test('has a direction that the name tells, or none', () => {
    expect(['val/loss', 'eval/quick/heldout/bits_per_byte', 'tokens_per_second', 'eval/a/b/acc_norm', 'lr', 'grad_norm', 'lossless'].map(direction)).toEqual([false, false, true, true, null, null, null])
  })
})

test('a change is against the first, and none against what is not a number', () => {
  expect(change(1.5, 1)).toEqual({ by: 0.5, share: 0.5 })
  expect(change(1, 0)).toEqual({ by: 1, share: null })
  expect(change(NaN, 1)).toBeNull()
  expect(change(null, 1)).toBeNull()
})

test('losses come first, then evaluations', () => {
  expect(byImportance(['norm/a', 'lr', 'eval/q/h/bpb', 'val/loss', 'train/loss'])).toEqual(['train/loss', 'val/loss', 'eval/q/h/bpb', 'lr', 'norm/a'])
})
