import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createConnection } from './connection'
import { throttled } from './throttle'

beforeEach(() => vi.useFakeTimers())
afterEach(() => vi.useRealTimers())

describe('throttled', () => {
  test('works at once, then once for all calls of a while', () => {
    const work = vi.fn()
    const call = throttled(100, work)
    call()
    call()
    call()
    expect(work).toHaveBeenCalledTimes(1)
    vi.advanceTimersByTime(100)
    expect(work).toHaveBeenCalledTimes(2)
    vi.advanceTimersByTime(1000)
    expect(work).toHaveBeenCalledTimes(2)
    call()
    expect(work).toHaveBeenCalledTimes(3)
  })

  test('does nothing after it was cancelled', () => {
    const work = vi.fn()
    const call = throttled(100, work)
    call()
    call()
    call.cancel()
    vi.advanceTimersByTime(1000)
    expect(work).toHaveBeenCalledTimes(1)
  })
})

describe('the line of pushes', () => {
  test('counts a coming back, for what was missed has to be asked for', () => {
    const c = createConnection()
    c.listeners.connecting(false)
    expect(c.get()).toEqual({ state: 'connecting', epoch: 0 })
    c.listeners.connected()
    expect(c.get()).toEqual({ state: 'live', epoch: 0 })
    c.listeners.closed({ code: 1006 })
    expect(c.get().state).toBe('lost')
    c.listeners.connecting(true)
    expect(c.get().state).toBe('lost')
    c.listeners.connected()
    expect(c.get()).toEqual({ state: 'live', epoch: 1 })
  })

  test('that nobody needs any more is not lost', () => {
    const c = createConnection()
    c.listeners.connected()
    c.listeners.closed({ code: 1000 })
    expect(c.get().state).toBe('idle')
    c.listeners.connected()
    expect(c.get()).toEqual({ state: 'live', epoch: 1 })
  })

  test('that answers no ping is closed, and one that answers is not', () => {
    const c = createConnection()
    const close = vi.fn()
    c.listeners.opened({ readyState: 1, close })
    c.listeners.ping(false)
    c.listeners.pong(true)
    vi.advanceTimersByTime(10_000)
    expect(close).not.toHaveBeenCalled()
    c.listeners.ping(false)
    vi.advanceTimersByTime(5_000)
    expect(close).toHaveBeenCalledOnce()
  })

  test('tells its watchers', () => {
    const c = createConnection()
    const tell = vi.fn()
    const leave = c.watch(tell)
    c.listeners.connected()
    leave()
    c.listeners.closed({ code: 1006 })
    expect(tell).toHaveBeenCalledOnce()
  })
})
