import { decode, formatTick, type Wire } from '../format/number'
import type { RunStatus } from '../gen/graphql'

// A trial as the table and the pictures show it.
export interface Row {
  number: number
  run: string
  status: RunStatus | null
  rung: number
  settings: Record<string, unknown>
  // By rung; null where it was worth nothing.
  scores: { rung: number; steps: number; value: number | null; message: string | null }[]
  // At the highest rung that it was compared at.
  value: number | null
  steps: number | null
}

interface Told {
  number: number
  run: string
  status: RunStatus | null
  settings: unknown
  rung: number
  scores: readonly { rung: number; steps: number; value: Wire | null; message: string | null }[]
}

const record = (v: unknown): Record<string, unknown> => (typeof v === 'object' && v !== null && !Array.isArray(v) ? (v as Record<string, unknown>) : {})

export function rowsOf(trials: readonly Told[]): Row[] {
  return trials.map((t) => {
    const scores = t.scores.map((s) => ({ ...s, value: decode(s.value) }))
    const last = scores.at(-1)
    return { number: t.number, run: t.run, status: t.status, rung: t.rung, settings: record(t.settings), scores, value: last?.value ?? null, steps: last?.steps ?? null }
  })
}

// The paths that a sweep varies, in order.
export const pathsOf = (space: unknown): string[] => Object.keys(record(space)).sort()

// A setting as people wrote it.
export const settingText = (v: unknown): string => (typeof v === 'number' ? String(Number(v.toPrecision(6))).replace('-', '−').replace('e-', 'e−') : v === undefined ? '' : typeof v === 'string' ? v : JSON.stringify(v))

// A space's range in words: "4, 8", "0.0001 to 0.01, logarithmic".
export function rangeWords(range: unknown): string {
  const r = record(range)
  if (Array.isArray(r.values)) return r.values.map(settingText).join(', ')
  const words = [`${settingText(r.min)} to ${settingText(r.max)}`]
  if (r.log === true) words.push('logarithmic')
  if (r.int === true) words.push('whole')
  if (typeof r.count === 'number') words.push(`${r.count} values`)
  return words.join(', ')
}

const finite = (v: number | null | undefined): v is number => v !== null && v !== undefined && Number.isFinite(v)

// The better of two values first; what is no number comes last.
export function byValue(direction: string): (a: number | null, b: number | null) => number {
  return (a, b) => {
    if (!finite(a) || !finite(b)) return Number(finite(b)) - Number(finite(a))
    return direction === 'max' ? b - a : a - b
  }
}

// The rows in the order of a column: "rank" is the sweep's own, who went furthest first and the better of those; else a column's
// name or a setting's path. What a row does not have comes last either way.
export function sorted(rows: readonly Row[], by: string, descending: boolean, direction: string): Row[] {
  const better = byValue(direction)
  const sign = descending ? -1 : 1
  const rank = (a: Row, b: Row) => (b.value === null ? -1 : b.scores.length) - (a.value === null ? -1 : a.scores.length) || better(a.value, b.value) || a.number - b.number
  const of = (r: Row): unknown => (by === 'number' ? r.number : by === 'status' ? (r.status ?? '') : by === 'steps' ? r.steps : by === 'value' ? (finite(r.value) ? r.value : null) : r.settings[by])
  return [...rows].sort((a, b) => {
    if (by === 'rank') return sign * rank(a, b)
    const [x, y] = [of(a), of(b)]
    const [no, none] = [x === null || x === undefined, y === null || y === undefined]
    if (no || none) return Number(no) - Number(none) || a.number - b.number
    const order = typeof x === 'number' && typeof y === 'number' ? x - y : String(x).localeCompare(String(y))
    return sign * order || a.number - b.number
  })
}

// An axis of the plot: where a value stands on it, from 0 at its foot to 1 at its head; null where it has no place.
export interface Axis {
  name: string
  log: boolean
  at: (value: unknown) => number | null
  ticks: { at: number; text: string }[]
}

// The axis of a setting: its listed values at even distances, or its range.
export function settingAxis(path: string, range: unknown, rows: readonly Row[]): Axis {
  const r = record(range)
  const [min, max] = [r.min, r.max]
  if (typeof min === 'number' && typeof max === 'number' && min < max) return numberAxis(path, min, max, r.log === true && min > 0, r.int === true)
  const values: unknown[] = Array.isArray(r.values) ? r.values : rows.map((row) => row.settings[path]).filter((v) => v !== undefined)
  const all = [...new Map(values.map((v) => [JSON.stringify(v), v])).values()]
  if (all.every((v) => typeof v === 'number')) (all as number[]).sort((a, b) => a - b)
  const place = new Map(all.map((v, i) => [JSON.stringify(v), all.length > 1 ? i / (all.length - 1) : 0.5]))
  return { name: path, log: false, at: (v) => place.get(JSON.stringify(v)) ?? null, ticks: all.map((v) => ({ at: place.get(JSON.stringify(v)) ?? 0, text: settingText(v) })) }
}

// The axis of what trials were worth, logarithmic when the largest is ten times the smallest.
export function valueAxis(name: string, values: readonly (number | null)[]): Axis {
  const given = values.filter(finite)
  let [min, max] = [Math.min(...spread(given, Math.min)), Math.max(...spread(given, Math.max))]
  if (given.length === 0) [min, max] = [0, 1]
  if (min === max) [min, max] = [min - (Math.abs(min) || 1) / 10, max + (Math.abs(max) || 1) / 10]
  return numberAxis(name, min, max, min > 0 && max / min >= 10)
}

// One number of many, without a call of thousands of arguments.
const spread = (of: readonly number[], pick: (a: number, b: number) => number): number[] => (of.length === 0 ? [] : [of.reduce((a, b) => pick(a, b))])

function numberAxis(name: string, min: number, max: number, log: boolean, whole = false): Axis {
  const [low, high] = log ? [Math.log(min), Math.log(max)] : [min, max]
  const at = (v: unknown): number | null => {
    if (typeof v !== 'number' || !Number.isFinite(v) || (log && v <= 0)) return null
    return Math.min(1, Math.max(0, ((log ? Math.log(v) : v) - low) / (high - low)))
  }
  return { name, log, at, ticks: places(min, max, log).filter((v) => !whole || Number.isInteger(v)).map((v) => ({ at: at(v) ?? 0, text: formatTick(v) })) }
}

// Round numbers within a range: powers of ten and, where there are few, their doubles and fivefolds; or a few even steps.
function places(min: number, max: number, log: boolean): number[] {
  const found: number[] = []
  if (log) {
    const decades = Math.log10(max / min)
    const every = Math.max(1, Math.ceil(decades / 6))
    for (let e = Math.floor(Math.log10(min)); e <= Math.ceil(Math.log10(max)); e++) {
      for (const m of decades <= 2 ? [1, 2, 5] : [1]) {
        const v = Number(`${m}e${e}`)
        if (v >= min * 0.999 && v <= max * 1.001 && (m > 1 || e % every === 0)) found.push(v)
      }
    }
    if (found.length > 1) return found
    return [min, max]
  }
  const raw = (max - min) / 7
  const power = 10 ** Math.floor(Math.log10(raw))
  const step = ([1, 2, 5, 10].find((m) => m * power >= raw * 0.999) ?? 10) * power
  for (let i = Math.ceil(min / step - 1e-9); i * step <= max * (1 + 1e-12) + step * 1e-9; i++) found.push(Number((i * step).toPrecision(12)))
  return found
}

// Parts of axes that were dragged over, by the axis' place in the plot.
export type Brushes = ReadonlyMap<number, readonly [from: number, to: number]>

// A trial's places on the axes, the last of which is its value's.
export const placesOf = (row: Row, axes: readonly Axis[]): (number | null)[] => axes.map((a, i) => a.at(i === axes.length - 1 ? row.value : row.settings[a.name]))

export const within = (places: readonly (number | null)[], brushes: Brushes): boolean =>
  [...brushes].every(([i, [from, to]]) => {
    const p = places[i]
    return p !== null && p !== undefined && p >= from && p <= to
  })

// The trial whose line passes nearest to a point: x in axes (1.5 is half way between the second and the third), y from 0 to 1.
// null when none is within `reach`.
export function nearest(lines: readonly (readonly (number | null)[])[], x: number, y: number, reach: number): number | null {
  const left = Math.floor(x)
  let [best, by] = [null as number | null, reach]
  lines.forEach((places, i) => {
    const [a, b] = [places[left], places[left + 1]]
    const at = a !== null && a !== undefined && b !== null && b !== undefined ? a + (b - a) * (x - left) : x - left < 0.5 ? a : b
    if (at === null || at === undefined) return
    const away = Math.abs(at - y)
    if (away <= by) [best, by] = [i, away]
  })
  return best
}

// A rung of successive halving: who came to it and who went on.
export interface RungFigures {
  rung: number
  steps: number
  came: number
  wentOn: number
  best: number | null
  // The worst value with which a trial went on.
  bar: number | null
}

export function rungsOf(rows: readonly Row[], rungs: readonly number[], direction: string): RungFigures[] {
  const better = byValue(direction)
  return rungs.map((steps, rung) => {
    const came = rows.flatMap((r) => r.scores.filter((s) => s.rung === rung).map((s) => ({ value: s.value, on: r.rung > rung })))
    const values = came.map((c) => c.value).sort(better)
    const on = came.filter((c) => c.on).map((c) => c.value).sort(better)
    return { rung, steps, came: came.length, wentOn: on.length, best: values[0] ?? null, bar: on.at(-1) ?? null }
  })
}
