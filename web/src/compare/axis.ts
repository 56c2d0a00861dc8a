import type { Curve } from '../chart/curve'

export const xAxes = ['step', 'tokens', 'time'] as const
export type XAxis = (typeof xAxes)[number]

// How many tokens a run had read at which steps, in order of step.
export type TokenClock = Tick[]

interface Tick {
  step: number
  tokens: number
}

// Tokens at steps (ascending): straight between the clock's points, from zero at step zero, and on at the last slope beyond the
// last point. NaN when the clock tells nothing.
export function tokensAt(clock: TokenClock, steps: number[]): number[] {
  const known = [{ step: 0, tokens: 0 }, ...clock.filter((c) => c.step > 0 && c.tokens > 0)]
  if (known.length === 1) return steps.map(() => NaN)
  let i = 1
  return steps.map((step) => {
    if (step < (known[i - 1] as Tick).step) i = 1 // steps need not ascend; they nearly always do
    while (i < known.length - 1 && step > (known[i] as Tick).step) i++
    return between(known[i - 1] as Tick, known[i] as Tick, step)
  })
}

const between = (a: Tick, b: Tick, step: number) =>
  b.step === a.step ? b.tokens : a.tokens + ((b.tokens - a.tokens) * (step - a.step)) / (b.step - a.step)

// The curve's x values on an axis. Time is in seconds since the run's start.
export function xOf(curve: Curve, axis: XAxis, started: number, clock: TokenClock): number[] {
  switch (axis) {
    case 'step':
      return curve.steps
    case 'time':
      return curve.times.map((t) => t - started)
    case 'tokens':
      return tokensAt(clock, curve.steps)
  }
}

// The steps that a part of an axis covers, over all curves: what the node is asked for when a reader zooms in.
export function stepsWithin(curves: Curve[], xs: number[][], range: [number, number]): [number, number] | null {
  let from = Infinity
  let to = -Infinity
  curves.forEach((curve, c) => {
    curve.steps.forEach((step, i) => {
      const x = xs[c]?.[i]
      if (x === undefined || !(x >= range[0] && x <= range[1])) return
      // One step more on each side, so that lines leave the picture at its edges.
      from = Math.min(from, curve.steps[i - 1] ?? step)
      to = Math.max(to, curve.steps[i + 1] ?? step)
    })
  })
  return from <= to ? [from, to] : null
}
