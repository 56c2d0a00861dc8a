import { expect, test } from 'vitest'
import { actionOf, cameOf, fill, onWords, onWritten, readReady, repeatWords } from './words'

test('an action and what says most about it', () => {
  expect(actionOf({ stop: { reason: 'x' } })).toEqual({ action: 'stop', about: '' })
  expect(actionOf({ alias: { alias: 'best', step: '=event.step' } })).toEqual({ action: 'alias', about: 'best' })
  expect(actionOf({ webhook: { url_env: 'HOOK' } })).toEqual({ action: 'webhook', about: 'HOOK' })
  expect(actionOf({ email: { to: ['a@b', 'c@d'] } })).toEqual({ action: 'email', about: 'a@b, c@d' })
  expect(actionOf(null)).toEqual({ action: '', about: '' })
})

test('when and how often', () => {
  expect(onWords({ on: 'points', metric: 'val/loss' })).toBe('points of val/loss')
  expect(onWords({ on: 'metrics.logged', metric: 'val/loss' })).toBe('points of val/loss')
  expect(onWords({ on: 'run.ended', metric: '' })).toBe('run.ended')
  expect(onWritten({ on: 'metrics.logged' })).toBe('points')
  expect(repeatWords({ on: 'points', repeat: '' })).toBe('once for each run')
  expect(repeatWords({ on: 'run.ended', repeat: '' })).toBe('for each fact')
  expect(repeatWords({ on: 'run.ended', repeat: '10m' })).toBe('at most every 10m for each run')
})

test('a message that was handed over is not yet delivered', () => {
  expect(cameOf({ action: 'webhook', outcome: 'done', result: '' })).toBe('waits')
  expect(cameOf({ action: 'webhook', outcome: 'done', result: 'the message was delivered' })).toBe('delivered')
  expect(cameOf({ action: 'email', outcome: 'done', result: 'the message was given up: 550' })).toBe('not delivered')
  expect(cameOf({ action: 'stop', outcome: 'done', result: '' })).toBe('done')
  expect(cameOf({ action: 'webhook', outcome: 'refused', result: '' })).toBe('refused')
})

test('a template is filled, and what is missing stays visible', () => {
  const [r] = readReady([{ ready: 'a', note: 'n', set: { metric: '', times: 2 }, rule: { name: '${metric} x${times}', then: { rollback: { config: { '${metric}': ['${times}'] } } } } }, 7, {}])
  expect(r?.set).toEqual({ metric: '', times: '2' })
  expect(fill(r?.rule, { metric: '', times: '2' })).toEqual({ name: '${metric} x2', then: { rollback: { config: { '${metric}': ['2'] } } } })
  expect(fill(r?.rule, { metric: 'val/loss', times: '3' })).toEqual({ name: 'val/loss x3', then: { rollback: { config: { 'val/loss': ['3'] } } } })
})
