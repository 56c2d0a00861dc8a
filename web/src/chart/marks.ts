import type uPlot from 'uplot'
import type { Aligned, Line } from './align'

// Values that have no place on the axis are drawn all the same: ∞ as ▲ at the top, −∞ as ▼ and NaN as ✕ at the bottom.
export function drawMarks(u: uPlot, { marks }: Aligned, lines: Line[]): void {
  if (marks.length === 0) return
  const { ctx, bbox } = u
  const size = 4.5 * devicePixelRatio
  ctx.save()
  ctx.lineWidth = 1.6 * devicePixelRatio
  for (const mark of marks) {
    const x = u.valToPos(mark.x, 'x', true)
    if (x < bbox.left - 1 || x > bbox.left + bbox.width + 1) continue
    ctx.strokeStyle = ctx.fillStyle = lines[mark.line]?.color ?? 'red'
    ctx.beginPath()
    if (mark.kind === 'NaN') {
      const y = bbox.top + bbox.height - size - 1
      ctx.moveTo(x - size, y - size)
      ctx.lineTo(x + size, y + size)
      ctx.moveTo(x + size, y - size)
      ctx.lineTo(x - size, y + size)
      ctx.stroke()
      continue
    }
    const up = mark.kind === '∞'
    const base = up ? bbox.top + 2 * size : bbox.top + bbox.height - 2 * size
    const tip = up ? bbox.top : bbox.top + bbox.height
    ctx.moveTo(x - size, base)
    ctx.lineTo(x + size, base)
    ctx.lineTo(x, tip)
    ctx.fill()
  }
  ctx.restore()
}
