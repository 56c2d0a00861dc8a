import { expect, test } from 'vitest'
import { asksFor, policyWords, suitesOf } from './policy'

test('a policy reads as a sentence', () => {
  expect(policyWords(null)).toBe('every checkpoint')
  expect(policyWords({ every: 1, pending: 'all', stages: [] })).toBe('every checkpoint')
  expect(policyWords({ every: 3, pending: 'newest', stages: [] })).toBe('every 3rd checkpoint and the last; one that nobody has begun gives way to a newer one')
  expect(policyWords({ every: 12, pending: 'all', stages: [{ fromStep: 5000, suites: ['a', 'b'] }, { fromStep: 9000, suites: [] }] })).toBe(
    'every 12th checkpoint and the last; from step 5,000 on a, b; from step 9,000 on nothing',
  )
  expect(policyWords({ every: 22, pending: 'all', stages: [] })).toContain('22nd')
})

test('a name alone asks for the newest version', () => {
  expect(asksFor(['quick', 'mill'], 'mill', 2, 2)).toBe(true)
  expect(asksFor(['quick', 'mill'], 'mill', 1, 2)).toBe(false)
  expect(asksFor(['mill@1'], 'mill', 1, 2)).toBe(true)
  expect(asksFor(suitesOf({ suites: ['quick'], evaluation: { every: 1, pending: 'all', stages: [{ fromStep: 1, suites: ['late'] }] } }), 'late', 1, 1)).toBe(true)
})
