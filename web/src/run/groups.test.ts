import { expect, test } from 'vitest'
import { groups } from './groups'
import { columnsOf } from './scores'

test('metrics stand under their prefix, losses together at the top, loners among the general ones', () => {
  expect(groups(['val/loss', 'train/loss', 'lr', 'eval/q/b', 'eval/q/a', 'train/mfu', 'norm/x', 'norm/y'])).toEqual([
    { name: 'loss', keys: ['train/loss', 'val/loss'] },
    { name: 'general', keys: ['lr', 'train/mfu'] },
    { name: 'eval', keys: ['eval/q/a', 'eval/q/b'] },
    { name: 'norm', keys: ['norm/x', 'norm/y'] },
  ])
})

test('a search keeps keys with all its words', () => {
  expect(groups(['train/loss', 'norm/block.0', 'norm/block.1'], 'NORM 1')).toEqual([{ name: 'general', keys: ['norm/block.1'] }])
  expect(groups(['train/loss'], 'absent')).toEqual([])
})

test('each score has a column, and knows the step of its best value', () => {
  const at = (step: number, value: number | string) => ({ step, evaluations: [{ suite: 'q', scores: [{ task: 't', metric: 'acc', value, stderr: null, n: 1, higherIsBetter: true }] }] })
  expect(columnsOf([at(300, 'NaN'), at(200, 0.4), at(100, 0.5)])).toMatchObject([{ id: 'q|t|acc', best: 100 }])
  expect(columnsOf([])).toEqual([])
})
