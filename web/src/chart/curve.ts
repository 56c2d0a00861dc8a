import { decode, type Wire } from '../format/number'
import type { SeriesPartsFragment } from '../gen/graphql'

// One series as the charts hold it: parallel arrays in order of step. `min` and `max` bound each bucket when the node has
// thinned the series; points that arrive later are exact, so they bound only themselves.
export interface Curve {
  run: string
  key: string
  context: string
  writer: string
  steps: number[]
  values: number[]
  min: number[] | null
  max: number[] | null
  // Seconds since 1970.
  times: number[]
  // Points there are, before thinning.
  points: number
}

const all = (wire: readonly Wire[]): number[] => wire.map((value) => decode(value))

export function decodeCurve(series: SeriesPartsFragment): Curve {
  return {
    run: series.run,
    key: series.key,
    context: series.context,
    writer: series.writer,
    steps: series.steps,
    values: all(series.values),
    min: series.min ? all(series.min) : null,
    max: series.max ? all(series.max) : null,
    times: all(series.times),
    points: series.points,
  }
}

export const curveId = (c: Curve): string => `${c.run}|${c.key}|${c.context}|${c.writer}`

// The curve with later points added. Steps may repeat (the newest value of a step stands: a resumed run does its last steps
// again) and may come in any order. Neither argument is changed.
export function extend(curve: Curve, fresh: Curve): Curve {
  if (fresh.steps.length === 0) return curve
  const last = curve.steps.at(-1)
  const inOrder = last === undefined || (fresh.steps[0] as number) > last
  const bounded = curve.min !== null || fresh.min !== null
  if (inOrder && ascending(fresh.steps)) {
    return {
      ...curve,
      steps: curve.steps.concat(fresh.steps),
      values: curve.values.concat(fresh.values),
      min: bounded ? (curve.min ?? curve.values).concat(fresh.min ?? fresh.values) : null,
      max: bounded ? (curve.max ?? curve.values).concat(fresh.max ?? fresh.values) : null,
      times: curve.times.concat(fresh.times),
      points: curve.points + fresh.steps.length,
    }
  }
  const at = new Map<number, [Curve, number]>()
  for (const source of [curve, fresh]) source.steps.forEach((step, i) => at.set(step, [source, i]))
  const order = [...at.entries()].sort((a, b) => a[0] - b[0])
  const pick = (read: (c: Curve) => number[]) => order.map(([, [c, i]]) => read(c)[i] as number)
  return {
    ...curve,
    steps: order.map(([step]) => step),
    values: pick((c) => c.values),
    min: bounded ? pick((c) => c.min ?? c.values) : null,
    max: bounded ? pick((c) => c.max ?? c.values) : null,
    times: pick((c) => c.times),
    points: curve.points + (order.length - curve.steps.length),
  }
}

function ascending(steps: number[]): boolean {
  for (let i = 1; i < steps.length; i++) if ((steps[i] as number) <= (steps[i - 1] as number)) return false
  return true
}

// A set of curves with later points added, each to its own; a curve not seen before joins the set.
export function extendAll(curves: Curve[], fresh: Curve[]): Curve[] {
  if (fresh.length === 0) return curves
  const next = new Map(curves.map((c) => [curveId(c), c]))
  for (const f of fresh) {
    const known = next.get(curveId(f))
    next.set(curveId(f), known ? extend(known, f) : extend({ ...f, steps: [], values: [], times: [], min: null, max: null, points: 0 }, f))
  }
  return [...next.values()]
}
