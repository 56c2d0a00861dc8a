// What a chart draws: one line over its own x values (ascending), optionally with an envelope of all that was thinned away.
export interface Line {
  id: string
  label: string
  color: string
  x: number[]
  y: number[]
  min?: number[] | null
  max?: number[] | null
  // Drawn thin and pale, and not in the legend: the raw values behind a smoothed line.
  faint?: boolean
  dash?: number[]
  // Points alone, which no line joins.
  dots?: boolean
}

// A value that has no place on the y axis.
export interface Mark {
  line: number
  x: number
  kind: 'NaN' | '∞' | '−∞'
}

export type Cell = number | null | undefined

export interface Aligned {
  // x, then for each line: y, and (when it has an envelope) max and min. As uPlot reads it, null is a gap in the line and
  // undefined is "this line has no point here", which is drawn over.
  columns: [number[], ...Cell[][]]
  // For each line the index of its y column, and of its envelope's two columns or 0.
  places: { y: number; max: number; min: number }[]
  marks: Mark[]
}

const kindOf = (v: number): Mark['kind'] => (Number.isNaN(v) ? 'NaN' : v > 0 ? '∞' : '−∞')

// Puts lines with different x values over one common x axis.
export function align(lines: Line[], log = false): Aligned {
  const x = union(lines.map((l) => l.x))
  const columns: [number[], ...Cell[][]] = [x]
  const places: Aligned['places'] = []
  const marks: Mark[] = []
  // A logarithm has no place for zero and below: such a value is a gap.
  const drawable = (v: number): Cell => (Number.isFinite(v) && !(log && v <= 0) ? v : null)

  lines.forEach((line, index) => {
    const spread = (values: number[]): Cell[] => {
      const column: Cell[] = new Array<Cell>(x.length).fill(undefined)
      let at = 0
      line.x.forEach((own, i) => {
        while ((x[at] as number) < own) at++
        column[at] = drawable(values[i] as number)
      })
      return column
    }
    const y = columns.push(spread(line.y)) - 1
    const enveloped = line.min != null && line.max != null
    places.push({
      y,
      max: enveloped ? columns.push(spread(line.max as number[])) - 1 : 0,
      min: enveloped ? columns.push(spread(line.min as number[])) - 1 : 0,
    })
    if (!line.faint) {
      line.y.forEach((v, i) => {
        if (!Number.isFinite(v)) marks.push({ line: index, x: line.x[i] as number, kind: kindOf(v) })
      })
    }
  })
  return { columns, places, marks }
}

function union(lists: number[][]): number[] {
  if (lists.length === 0) return []
  const first = lists[0] as number[]
  if (lists.every((l) => l.length === first.length && l.every((v, i) => v === first[i]))) return dedupe(first)
  return dedupe(lists.flat().sort((a, b) => a - b))
}

const dedupe = (sorted: number[]): number[] => sorted.filter((v, i) => i === 0 || v !== sorted[i - 1])
