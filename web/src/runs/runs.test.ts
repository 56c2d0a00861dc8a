import { expect, test } from 'vitest'
import { filterOf, orderOf, read, write } from './asked'
import { metricKey, newestScore, valueOf } from './score'

const asked = (address: string) => read(new URLSearchParams(address))

test('what is asked survives the address', () => {
  for (const address of ['', 'q=lr+sweep&kind=train&status=failed&evaluations=1&archived=1&experiment=e1&sort=val_loss', 'sort=-cost', 'sort=created']) {
    expect(write(asked(address)).toString()).toBe(address)
  }
})

test('an address that means nothing asks for all runs, newest first', () => {
  expect(asked('kind=nonsense&status=x')).toEqual(asked(''))
  expect(orderOf(asked('sort=nonsense'), null)).toEqual({ field: 'CREATED', direction: 'ASC' })
  expect(orderOf(asked(''), null)).toEqual({ field: 'CREATED', direction: 'DESC' })
})

test('evaluations are left out unless asked for', () => {
  expect(filterOf(asked('')).kind).not.toContain('EVALUATE')
  expect(filterOf(asked('evaluations=1')).kind).toBeUndefined()
  expect(filterOf(asked('kind=evaluate')).kind).toEqual(['EVALUATE'])
})

test('scores are ordered by the metric that the column shows', () => {
  expect(orderOf(asked('sort=score'), 'eval/quick/heldout/bits_per_byte')).toEqual({ field: 'METRIC', key: 'eval/quick/heldout/bits_per_byte', direction: 'ASC' })
})

const score = (task: string, metric: string, value: number) => ({ task, metric, value, stderr: null, n: 1, higherIsBetter: false })

test('the newest evaluation speaks for a run, by its bits per byte when it has them', () => {
  const best = newestScore([
    { suite: 'quick', step: 200, at: '', scores: [score('copy', 'accuracy', 0.5), score('heldout', 'bits_per_byte', 1.4)] },
    { suite: 'arc', step: 200, at: '', scores: [score('arc', 'acc', 0.3)] },
    { suite: 'quick', step: 100, at: '', scores: [score('heldout', 'bits_per_byte', 1.9)] },
  ])
  expect(best?.value).toBe(1.4)
  expect(best && metricKey(best)).toBe('eval/quick/heldout/bits_per_byte')
  expect(newestScore([])).toBeNull()
  expect(newestScore([{ suite: 's', step: 1, at: '', scores: [] }])).toBeNull()
})

test('a pattern may match more than the key that was meant', () => {
  expect(valueOf([{ key: 'train/loss_ema', last: 2 }, { key: 'train/loss', last: 'NaN' }], 'train/loss')).toBeNaN()
  expect(valueOf([{ key: 'train/loss_ema', last: 2 }], 'train/loss')).toBeNull()
})
