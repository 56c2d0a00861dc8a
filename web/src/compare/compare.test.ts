import { describe, expect, test } from 'vitest'
import type { Curve } from '../chart/curve'
import { stepsWithin, tokensAt, xOf } from './axis'
import { bestOf, change, direction } from './best'
import { byImportance } from '../metrics/order'
import { sampleRows } from './samples'

const curve: Curve = { run: 'r', key: 'k', context: '', writer: '', steps: [0, 50, 100, 300], values: [1, 2, 3, 4], min: null, max: null, times: [1000, 1005, 1010, 1030], points: 4 }
const clock = [{ step: 100, tokens: 1000 }, { step: 200, tokens: 4000 }]

describe('x axes', () => {
  test('tokens are straight between checkpoints and go on at the last slope', () => {
    expect(tokensAt(clock, [0, 50, 100, 150, 200, 300])).toEqual([0, 500, 1000, 2500, 4000, 7000])
    expect(tokensAt([{ step: 100, tokens: 1000 }], [200])).toEqual([2000])
    expect(tokensAt([], [10])).toEqual([NaN])
    expect(tokensAt(clock, [300, 50])).toEqual([7000, 500])
  })

  test('of one curve', () => {
    expect(xOf(curve, 'step', 1000, clock)).toEqual([0, 50, 100, 300])
    expect(xOf(curve, 'time', 1000, clock)).toEqual([0, 5, 10, 30])
    expect(xOf(curve, 'tokens', 1000, clock)).toEqual([0, 500, 1000, 7000])
  })

  test('a part of an axis covers steps, one more on each side', () => {
    expect(stepsWithin([curve], [xOf(curve, 'time', 1000, [])], [4, 12])).toEqual([0, 300])
    expect(stepsWithin([curve], [xOf(curve, 'time', 1000, [])], [0, 5])).toEqual([0, 100])
    expect(stepsWithin([curve], [xOf(curve, 'time', 1000, [])], [31, 40])).toBeNull()
    expect(stepsWithin([curve], [xOf(curve, 'tokens', 1000, [])], [0, 10])).toBeNull() // no checkpoint tells
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

test('samples stand beside those of the same prompt, the newest of each run, fullest rows first', () => {
  const evaluation = (step: number, samples: { task: string; prompt: string; text: string }[]) => ({ suite: 'quick', step, at: '', samples })
  const rows = sampleRows([
    { evaluations: [evaluation(200, [{ task: 't', prompt: 'only here', text: 'x' }, { task: 't', prompt: 'p', text: 'new' }]), evaluation(100, [{ task: 't', prompt: 'p', text: 'old' }])], texts: [] },
    { evaluations: [], texts: [{ key: 't', step: 50, prompt: 'p', text: 'other', writer: '' }] },
  ])
  expect(rows.map((r) => [r.prompt, r.texts.map((t) => t?.text ?? null)])).toEqual([
    ['p', ['new', 'other']],
    ['only here', ['x', null]],
  ])
})
