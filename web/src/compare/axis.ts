import type { Curve } from '../chart/curve'
import { decode, formatCount, formatDollars, formatFlops, formatTick, type Wire } from '../format/number'
import { formatSeconds } from '../format/time'
import type { Axis } from '../gen/graphql'

export const xAxes = ['step', 'tokens', 'FLOPs', 'time', 'dollars'] as const
export type XAxis = (typeof xAxes)[number]

interface AxisLook {
  asked: Axis
  // With its unit.
  title: string
  format: (x: number) => string
}

export const looks: Record<XAxis, AxisLook> = {
  step: { asked: 'STEP', title: 'optimizer step', format: formatTick },
  tokens: { asked: 'TOKENS', title: 'tokens trained on', format: (x) => formatCount(x) },
  FLOPs: { asked: 'FLOPS', title: 'floating point operations', format: (x) => formatFlops(x) },
  time: { asked: 'TIME', title: 'time since the start', format: (x) => formatSeconds(x < 10 ? x : Math.round(x)) },
  dollars: { asked: 'DOLLARS', title: 'US dollars spent', format: (x) => formatDollars(x) },
}

// The axis that an address names; steps when it names none.
export const axisOf = (text: string | null): XAxis => xAxes.find((a) => a.toLowerCase() === text?.toLowerCase()) ?? 'step'

// A curve with the place of each of its points on the axis that the node was asked for; no places, and why, when nothing that
// was recorded leads to that axis.
export interface Placed {
  curve: Curve
  x: number[]
  noAxis: string | null
}

export const placed = (curve: Curve, x: readonly Wire[] | null, noAxis: string | null): Placed => ({ curve, x: x ? x.map((v) => decode(v)) : curve.steps.map(() => NaN), noAxis })

// The steps that a part of an axis covers, over all curves: what the node is asked for when a reader zooms in.
export function stepsWithin(all: Placed[], range: [number, number]): [number, number] | null {
  let from = Infinity
  let to = -Infinity
  for (const { curve, x } of all) {
    curve.steps.forEach((step, i) => {
      const at = x[i]
      if (at === undefined || !(at >= range[0] && at <= range[1])) return
      // One step more on each side, so that lines leave the picture at its edges.
      from = Math.min(from, curve.steps[i - 1] ?? step)
      to = Math.max(to, curve.steps[i + 1] ?? step)
    })
  }
  return from <= to ? [from, to] : null
}
