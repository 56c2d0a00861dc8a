import { expect, test } from 'vitest'
import { has, scan, shares, start, type Place } from './scan'

// A list in pages of three, as the node hands it out.
const all = Array.from({ length: 10 }, (_, i) => i)
const page = (after: string | null) => {
  const at = Number(after ?? 0)
  return Promise.resolve({ nodes: all.slice(at, at + 3), next: at + 3 < all.length ? String(at + 3) : null })
}

test.each([1, 2, 3, 4, 7, 20])('%d at a time, everything that fits comes once and in order', async (size) => {
  for (const fits of [() => true, (n: number) => n % 2 === 1, (n: number) => n > 6, () => false]) {
    const seen: number[] = []
    let from: Place | null = start
    for (let turns = 0; from && turns < 30; turns++) {
      const found: Awaited<ReturnType<typeof scan<number>>> = await scan(page, from, fits, size)
      expect(found.items.length).toBeLessThanOrEqual(size)
      seen.push(...found.items)
      from = found.next
    }
    expect(from).toBeNull()
    expect(seen).toEqual(all.filter(fits))
  }
})

test('a long search stops to be asked on, and loses nothing', async () => {
  const first = await scan(page, start, (n) => n === 9, 5, 4)
  expect(first).toEqual({ items: [], next: { after: '6', skip: 0 }, read: 6 })
  const second = await scan(page, first.next as Place, (n) => n === 9, 5, 4)
  expect(second).toEqual({ items: [9], next: null, read: 4 })
})

test('words are found in any order and case', () => {
  expect(has('', [])).toBe(true)
  expect(has('wheel OLD', ['The old', 'Wheel turns'])).toBe(true)
  expect(has('wheel new', ['The old', 'Wheel turns'])).toBe(false)
})

test('shares of likelihoods of any size', () => {
  expect(shares([-1000, -1000])).toEqual([0.5, 0.5])
  expect(shares([Math.log(3) - 700, -700])[0]).toBeCloseTo(0.75)
  expect(shares([-Infinity, -5])).toEqual([0, 1])
  expect(shares([NaN, -5])).toEqual([0, 1])
  expect(shares([-Infinity])).toEqual([0])
})
