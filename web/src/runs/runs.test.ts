import { describe, expect, test } from 'vitest'
import { CombinedError } from 'urql'
import { filterOf, namesKind, orderOf, read, write } from './asked'
import { around, faultOf } from './fault'
import { both, fieldsIn, formatField } from './fields'
import { metricKey, newestScore, valueOf } from './score'

const asked = (address: string) => read(new URLSearchParams(address))

test('what is asked survives the address', () => {
  for (const address of ['', 'q=lr+sweep&kind=train&status=failed&evaluations=1&archived=1&experiment=e1&sort=val_loss', 'sort=-cost', 'sort=created', 'order=name&group=experiment%2C+kind&spread=cost']) {
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

test('a condition that names the kind of runs brings evaluations back', () => {
  for (const where of ['kind = evaluate', 'status=failed and kind in (evaluate)', '(kind!=train)', 'KIND not in (train)', 'not kind ~ eval']) {
    expect(namesKind(where), where).toBe(true)
    expect(filterOf({ ...asked(''), where }).kind).toBeUndefined()
  }
  for (const where of ['', 'kindly', 'note = "kind = evaluate"', "name ~ 'kind in'", 'config.kind = x']) expect(namesKind(where), where).toBe(false)
})

test('fields stand between commas, but not those within quotes', () => {
  expect(fieldsIn('metric["val/loss"].min, created desc')).toEqual(['metric["val/loss"].min', 'created desc'])
  expect(fieldsIn('tags["a, \\"b"], \'c,d\'')).toEqual(['tags["a, \\"b"]', "'c,d'"])
  expect(fieldsIn(' , ')).toEqual([])
  expect(fieldsIn('tags["open, x')).toEqual(['tags["open, x'])
})

test('conditions are joined so that each keeps its meaning', () => {
  expect(both('a or b', 'c or d')).toBe('(a or b) and (c or d)')
  expect(both(' ', 'c')).toBe('c')
  expect(both('a', '')).toBe('a')
})

test('a number is written in the unit of its field', () => {
  expect(['cost', 'duration', 'joules', 'tokens', 'steps', 'metric.loss'].map((f) => formatField(f, 120))).toEqual(['$120.00', '2 m', '120 J', '120', '120', '120'])
  expect(formatField('cost', null)).toBe('–')
})

describe('a fault', () => {
  const error = (message: string, extensions: Record<string, unknown>) => new CombinedError({ graphQLErrors: [{ message, extensions }] })
  test('is read from the answer', () => {
    const fault = faultOf(error('where: line 1, column 10: there is no status "runing" (did you mean running?)\n  status = runing\n           ^', { argument: 'where', column: 10 }))
    expect(fault).toEqual({ argument: 'where', words: 'there is no status "runing" (did you mean running?)', line: 'status = runing', at: 9 })
    expect(fault && around(fault)).toEqual(['status = ', 'runing', ''])
  })
  test('is none of an answer that was refused for another reason', () => {
    expect(faultOf(undefined)).toBeNull()
    expect(faultOf(error('first is -1', { code: 'BAD_USER_INPUT' }))).toBeNull()
    expect(faultOf(new CombinedError({ networkError: new Error('gone') }))).toBeNull()
  })
  test('is pointed at by characters, at the end by a space', () => {
    expect(around({ line: '𝛼𝛽 = = 1', at: 5 })).toEqual(['𝛼𝛽 = ', '=', ' 1'])
    expect(around({ line: 'cost <', at: 6 })).toEqual(['cost <', ' ', ''])
    expect(around({ line: '', at: 0 })).toEqual(['', ' ', ''])
  })
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
