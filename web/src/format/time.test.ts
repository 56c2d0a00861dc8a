import { expect, test } from 'vitest'
import { formatAgo, formatSeconds, secondsSoFar } from './time'

test.each([
  [0, '0 s'],
  [0.0004, '1 ms'],
  [0.35, '350 ms'],
  [0.9996, '1 s'],
  [12.44, '12.4 s'],
  [59.96, '1 m'],
  [60, '1 m'],
  [192, '3 m 12 s'],
  [3599.6, '1 h'],
  [7500, '2 h 5 m'],
  [86_399, '1 d'],
  [3 * 86_400 + 4 * 3600, '3 d 4 h'],
])('%d seconds are %s', (s, text) => expect(formatSeconds(s)).toBe(text))

test('what is no duration is shown as such', () => {
  expect(formatSeconds(null)).toBe('–')
  expect(formatSeconds(NaN)).toBe('–')
  expect(formatSeconds(Infinity)).toBe('∞')
})

const now = Date.parse('2026-11-21T18:00:00Z')

test.each([
  ['2026-11-21T17:59:58Z', 'now'],
  ['2026-11-21T17:59:20.5Z', '39 s ago'],
  ['2026-11-21T17:55:00Z', '5 m ago'],
  ['2026-11-21T15:00:00Z', '3 h ago'],
  ['2026-11-19T18:00:00Z', '2 d ago'],
  ['2026-11-21T18:00:09Z', 'now'], // the node's clock is ahead
  ['nonsense', '–'],
])('%s is %s', (iso, text) => expect(formatAgo(iso, now)).toBe(text))

test('a running run is counted on by the page, unless its clock is wrong', () => {
  const run = { startedAt: '2026-11-21T17:59:00Z', endedAt: null }
  expect(secondsSoFar(run, 58, now)).toBe(60)
  expect(secondsSoFar(run, 58, now - 3_600_000)).toBe(58)
  expect(secondsSoFar(run, 58, now + 48 * 3_600_000)).toBe(58)
  expect(secondsSoFar({ ...run, endedAt: '2026-11-21T17:59:30Z' }, 30, now)).toBe(30)
  expect(secondsSoFar({ startedAt: null, endedAt: null }, 0, now)).toBeNull()
})
