import { describe, expect, test } from 'vitest'
import { parseChanges, parseStep } from './changes'
import { may } from './may'

const of = (kind: Parameters<typeof may>[0]['kind'], status: Parameters<typeof may>[0]['status'], startedAt: string | null = '2026-11-01T00:00:00Z') => [...may({ kind, status, startedAt, byWorker: kind !== 'EXTERNAL' })].sort().join(' ')

describe('what can be wished of a run', () => {
  test('depends on how it stands', () => {
    expect(of('TRAIN', 'PENDING', null)).toBe('pause reproduce stop')
    expect(of('TRAIN', 'RUNNING')).toBe('fork pause reproduce stop')
    expect(of('TRAIN', 'PAUSED')).toBe('archive delete fork reproduce resume rewind stop')
    expect(of('TRAIN', 'STOPPED')).toBe('archive delete fork reproduce resume rewind')
    expect(of('FINETUNE', 'FINISHED')).toBe('archive delete fork reproduce rewind')
  })
  test('depends on its kind', () => {
    expect(of('CURATE', 'FAILED')).toBe('archive delete reproduce resume')
    expect(of('EVALUATE', 'FINISHED')).toBe('archive delete reproduce')
    expect(of('EXTERNAL', 'RUNNING')).toBe('delete fork rewind stop')
    expect(of('EXTERNAL', 'CRASHED')).toBe('archive delete fork rewind')
    const command = (status: Parameters<typeof may>[0]['status']) => [...may({ kind: 'EXTERNAL', status, startedAt: '2026-11-01T00:00:00Z', byWorker: true })].sort().join(' ')
    expect(command('RUNNING')).toBe('fork pause stop')
    expect(command('FAILED')).toBe('archive delete fork resume rewind')
  })
})

test('a step is a whole number', () => {
  expect(['', ' 120 ', '1,000', '10_000', '-1', '1.5', '1e3', 'last', '9'.repeat(20)].map(parseStep)).toEqual([null, 120, 1000, 10000, undefined, undefined, undefined, undefined, undefined])
})

describe('changed settings', () => {
  test('are paths and values, one a line', () => {
    expect(parseChanges('optimizer.lr = 5e-4\n\n  steps: 2000\r\nname=plain text\nq = "5"\nflags = [1, true]')).toEqual({
      config: { 'optimizer.lr': 5e-4, steps: 2000, name: 'plain text', q: '5', flags: [1, true] },
    })
    expect(parseChanges('')).toEqual({ config: {} })
    expect(parseChanges('a = b = c')).toEqual({ config: { a: 'b = c' } })
  })
  test('that make no sense say where', () => {
    expect(parseChanges('steps = 5\noptimizer.lr')).toEqual({ error: 'line 2: “optimizer.lr” is not of the form optimizer.lr = 0.0005' })
    expect(parseChanges('steps =')).toHaveProperty('error')
    expect(parseChanges('a = 1\na = 2')).toEqual({ error: 'line 2: a is set twice' })
  })
})
