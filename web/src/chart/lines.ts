import type { Line } from './align'
import { curveId, type Curve } from './curve'
import { smooth } from './smooth'

export interface LineStyle {
  color: string
  label: string
  // Weight of the past in the moving average; 0 is off.
  smoothing: number
  // x for each of the curve's points; points whose x is not a number are left out.
  x: number[]
  dash?: number[]
}

// Below so many points there is no noise to smooth, and an average of the past would only draw the curve where it is not.
const fewest = 40

// A curve as a chart draws it: with its envelope, or smoothed with the raw values pale behind.
export function lineOf(curve: Curve, { color, label, smoothing, x, dash }: LineStyle): Line[] {
  const placed = place(curve, x)
  const id = curveId(curve)
  if (smoothing === 0 || curve.points < fewest) return [{ id, label, color, dash, ...placed }]
  return [
    { id: `${id}|raw`, label, color, faint: true, ...placed },
    { id, label, color, dash, x: placed.x, y: smooth(placed.y, smoothing) },
  ]
}

function place(curve: Curve, x: number[]): Pick<Line, 'x' | 'y' | 'min' | 'max'> {
  // Charts want x ascending; time and tokens nearly always are, but writers may interleave.
  let fine = x.length === curve.values.length
  for (let i = 0; fine && i < x.length; i++) fine = Number.isFinite(x[i]) && (i === 0 || (x[i] as number) >= (x[i - 1] as number))
  if (fine) return { x, y: curve.values, min: curve.min, max: curve.max }
  const order = curve.values.map((_, i) => i).filter((i) => Number.isFinite(x[i])).sort((a, b) => (x[a] as number) - (x[b] as number))
  const by = (values: number[] | null) => (values ? order.map((i) => values[i] as number) : null)
  return { x: order.map((i) => x[i] as number), y: by(curve.values) ?? [], min: by(curve.min), max: by(curve.max) }
}
