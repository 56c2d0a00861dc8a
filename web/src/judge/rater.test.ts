import { expect, test } from 'vitest'
import { answerOf, inWords } from './rater'

test('keys say what is shown beside the buttons', () => {
  expect(['1', '2', '0', '9'].map((k) => answerOf(k, true))).toEqual(['LEFT', 'RIGHT', 'TIE', 'BOTH_BAD'].map((choice) => ({ choice })))
  expect(['ArrowLeft', 'ArrowRight', 'ArrowDown', 'ArrowUp'].map((k) => answerOf(k, true))).toEqual(['LEFT', 'RIGHT', 'TIE', 'BOTH_BAD'].map((choice) => ({ choice })))
  expect(['3', 'a', '', 'constructor'].map((k) => answerOf(k, true))).toEqual([undefined, undefined, undefined, undefined])
  expect(['0', '1', '5', '6', '12', 'ArrowLeft'].map((k) => answerOf(k, false))).toEqual([undefined, { score: 1 }, { score: 5 }, undefined, undefined, undefined])
})

test('a κ has a word', () => {
  expect([-0.1, 0, 0.2, 0.21, 0.6, 0.7, 1, null].map(inWords)).toEqual(['less than by chance', 'slight', 'slight', 'fair', 'moderate', 'substantial', 'almost perfect', 'cannot be told: every vote is the same'])
})
