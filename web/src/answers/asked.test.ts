import { expect, test } from 'vitest'
import { isOn, judgedOn, read, write } from './asked'

test('what is shown lives in the address', () => {
  for (const address of ['', 'task=a+b&show=wrong&q=old+wheel', 'against=R&change=still+wrong', 'q=%26%3D']) {
    expect(write(read(new URLSearchParams(address))).toString()).toBe(address)
  }
  expect(read(new URLSearchParams('show=nonsense&change=nonsense'))).toEqual({ task: '', show: 'all', words: '', against: '', change: 'changed' })
})

test('evaluations on a suite are of any of its versions', () => {
  expect(judgedOn('a"b')).toBe('kind = evaluate and status = finished and (config.suite = "a\\"b" or config.suite ~ "a\\"b@")')
  expect(isOn({ suite: 'mill' }, 'mill')).toBe(true)
  expect(isOn({ suite: 'mill@12' }, 'mill')).toBe(true)
  expect(isOn({ suite: 'windmill@1' }, 'mill')).toBe(false)
  expect(isOn({ suite: 7 }, 'mill')).toBe(false)
  expect(isOn(null, 'mill')).toBe(false)
})
