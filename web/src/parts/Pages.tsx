import { formatInteger } from '../format/number'

export interface PagesProps {
  // Where each page before the shown one ended.
  cursors: string[]
  set: (cursors: string[]) => void
  next: string | null
  size: number
  shown: number
  total: number
}

export function Pages({ cursors, set, next, size, shown, total }: PagesProps) {
  if (cursors.length === 0 && !next) return null
  const first = cursors.length * size
  return (
    <nav className="pages" aria-label="Pages of the table">
      <button type="button" disabled={cursors.length === 0} onClick={() => set(cursors.slice(0, -1))}>
        ← previous
      </button>
      <span className="num dim">
        {formatInteger(first + 1)}–{formatInteger(first + shown)} of {formatInteger(total)}
      </span>
      <button type="button" disabled={!next} onClick={() => next && set([...cursors, next])}>
        next →
      </button>
    </nav>
  )
}
