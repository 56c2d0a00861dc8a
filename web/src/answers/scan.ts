// Where a list goes on: behind `skip` items of the page that the node begins after `after`.
export interface Place {
  after: string | null
  skip: number
}

export const start: Place = { after: null, skip: 0 }

export interface Found<T> {
  items: T[]
  // Where it goes on; null at the end.
  next: Place | null
  // Items that were looked at.
  read: number
}

// Reads page after page until `size` items fit, the list ends, or `most` items were looked at. The node knows fewer questions than
// readers have; the rest is picked here.
export async function scan<T>(page: (after: string | null) => Promise<{ nodes: readonly T[]; next: string | null }>, from: Place, fits: (item: T) => boolean, size: number, most = 20_000): Promise<Found<T>> {
  const items: T[] = []
  let { after, skip } = from
  let read = 0
  for (;;) {
    const { nodes, next } = await page(after)
    for (let i = skip; i < nodes.length; i++) {
      const item = nodes[i] as T
      if (fits(item)) {
        if (items.length === size) return { items, next: { after, skip: i }, read }
        items.push(item)
      }
      read++
    }
    if (next === null) return { items, next: null, read }
    after = next
    skip = 0
    if (read >= most) return { items, next: { after, skip }, read }
  }
}

// Whether one of the texts has all of the words, in any case.
export function has(words: string, texts: readonly string[]): boolean {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean)
  if (wanted.length === 0) return true
  const text = texts.join('\n').toLowerCase()
  return wanted.every((w) => text.includes(w))
}

// Natural logarithms of probabilities as shares of their sum, whatever their size.
export function shares(logProbs: readonly number[]): number[] {
  const most = Math.max(...logProbs.filter((p) => !Number.isNaN(p)))
  if (!Number.isFinite(most)) return logProbs.map(() => 0)
  const e = logProbs.map((p) => (Number.isNaN(p) ? 0 : Math.exp(p - most)))
  const sum = e.reduce((a, b) => a + b, 0)
  return e.map((x) => x / sum)
}
