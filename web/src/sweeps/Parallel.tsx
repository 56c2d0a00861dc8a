import { useMemo, useRef, useState } from 'react'
import { useLocation } from 'wouter'
import { useDark } from '../chart/palette'
import { shade, shades } from '../chart/ramp'
import { useCanvas, type Surface } from '../chart/useCanvas'
import { nearest, within, type Axis, type Brushes, type Row } from './trials'

const pad = { top: 12, bottom: 12, left: 34, right: 44 }
const height = 280
const narrowest = 92 // px between two axes; on a narrow screen the plot scrolls instead

export interface ParallelProps {
  rows: readonly Row[]
  axes: readonly Axis[]
  // Places on the axes, as the rows are ordered.
  lines: readonly (readonly (number | null)[])[]
  // From 0, the worst, to 1, the best; null where there is nothing to rank.
  ranks: readonly (number | null)[]
  brushes: Brushes
  brush: (brushes: Brushes) => void
  // The row that is pointed at here or elsewhere.
  pointed: number | null
  point: (row: number | null) => void
  best: string | null
}

// Every trial as a line through its settings to what it was worth. Dragging along an axis keeps what passes there.
export function Parallel(props: ParallelProps) {
  const { rows, axes, lines, ranks, brushes, brush, pointed, point, best } = props
  const dark = useDark()
  const [, go] = useLocation()
  const chosen = useMemo(() => lines.map((l) => within(l, brushes)), [lines, brushes])
  const drag = useRef<{ axis: number; from: number; moved: boolean }>(undefined)
  const [dragged, setDragged] = useState<readonly [number, number, number] | null>(null)

  const ground = useCanvas((s) => drawLines(s, props, chosen, dark), [lines, ranks, chosen, axes, best, dark])
  const over = useCanvas(
    (s) => {
      for (const [axis, [from, to]] of dragged ? [...brushes, [dragged[0], [dragged[1], dragged[2]]] as const] : brushes) drawBrush(s, axes.length, axis, from, to)
      const line = pointed === null ? undefined : lines[pointed]
      if (line) drawLine(s, line, axes.length, s.css('--text'), 2.4)
    },
    [pointed, lines, brushes, dragged, axes, dark],
  )

  const place = (e: React.PointerEvent) => {
    const box = e.currentTarget.getBoundingClientRect()
    const step = (box.width - pad.left - pad.right) / Math.max(1, axes.length - 1)
    const x = Math.min(axes.length - 1, Math.max(0, (e.clientX - box.left - pad.left) / step))
    const y = Math.min(1, Math.max(0, 1 - (e.clientY - box.top - pad.top) / (height - pad.top - pad.bottom)))
    return { x, y, axis: Math.abs(x - Math.round(x)) * step < 14 ? Math.round(x) : null }
  }
  const find = ({ x, y }: { x: number; y: number }) => {
    const some = lines.map((l, i) => (chosen[i] ? l : []))
    return nearest(some, Math.min(x, axes.length - 1.0001), y, 0.04)
  }
  const onDown = (e: React.PointerEvent) => {
    const p = place(e)
    // A finger that moves up and down scrolls the page.
    if (p.axis === null || e.pointerType === 'touch') return
    drag.current = { axis: p.axis, from: p.y, moved: false }
    e.currentTarget.setPointerCapture(e.pointerId)
  }
  const onMove = (e: React.PointerEvent) => {
    const p = place(e)
    const d = drag.current
    if (!d) return point(find(p))
    if (Math.abs(p.y - d.from) > 0.015) d.moved = true
    if (d.moved) setDragged([d.axis, Math.min(d.from, p.y), Math.max(d.from, p.y)])
  }
  const onUp = (e: React.PointerEvent) => {
    const d = drag.current
    drag.current = undefined
    setDragged(null)
    const p = place(e)
    if (d?.moved) return brush(new Map([...brushes, [d.axis, [Math.min(d.from, p.y), Math.max(d.from, p.y)]]]))
    if (d && brushes.has(d.axis)) return brush(new Map([...brushes].filter(([axis]) => axis !== d.axis)))
    const found = find(p)
    const row = found === null ? undefined : rows[found]
    if (row && e.pointerType !== 'touch') go(`/run/${row.run}`)
    else point(found)
  }
  return (
    <div className="parallel">
      <div style={{ minWidth: pad.left + pad.right + narrowest * (axes.length - 1) }}>
        <div className="parallel-heads" style={{ marginLeft: pad.left, marginRight: pad.right }}>
          {axes.map((a, i) => (
            <span key={a.name} className={i === 0 ? 'first' : i === axes.length - 1 ? 'last' : undefined} style={{ left: `${(100 * i) / Math.max(1, axes.length - 1)}%` }} title={a.log ? `${a.name}, logarithmic` : a.name}>
              {a.name.split('.').at(-1)}
              {a.log && <span className="dim"> log</span>}
            </span>
          ))}
        </div>
        <div className="parallel-box" style={{ height }}>
          <canvas ref={ground} role="img" aria-label={`${rows.length} trials as lines through ${axes.map((a) => a.name).join(', ')}; the table below has the same.`} />
          <canvas ref={over} aria-hidden="true" className={pointed === null ? undefined : 'pointing'} onPointerDown={onDown} onPointerMove={onMove} onPointerUp={onUp} onPointerLeave={() => !drag.current && point(null)} />
        </div>
      </div>
    </div>
  )
}

const xOf = (s: Surface, axis: number, axes: number) => pad.left + ((s.width - pad.left - pad.right) * axis) / Math.max(1, axes - 1)
const yOf = (s: Surface, at: number) => s.height - pad.bottom - (s.height - pad.top - pad.bottom) * at

function drawLines(s: Surface, { axes, lines, ranks, rows, best }: ParallelProps, chosen: readonly boolean[], dark: boolean) {
  const { ctx } = s
  // By shade, the palest first.
  const groups: number[][] = Array.from({ length: shades + 1 }, () => [])
  lines.forEach((_, i) => {
    const rank = ranks[i] ?? null
    if (chosen[i]) groups[rank === null ? 0 : 1 + Math.round(rank * (shades - 1))]?.push(i)
  })
  ctx.lineJoin = 'round'
  const crowd = lines.length > 400
  groups.forEach((group, g) => {
    ctx.strokeStyle = g === 0 ? s.css('--grid') : shade(g - 1, dark)
    ctx.globalAlpha = crowd ? 0.5 : 0.9
    ctx.lineWidth = crowd ? 1 : 1.3 // of one pixel, lines are drawn three times as fast
    ctx.beginPath()
    for (const i of group) trace(s, lines[i] ?? [], axes.length)
    ctx.stroke()
  })
  ctx.globalAlpha = 1
  const first = rows.findIndex((r) => r.run === best)
  if (chosen[first]) drawLine(s, lines[first] ?? [], axes.length, s.css('--good'), 2.6)
  drawAxes(s, axes)
}

function drawAxes(s: Surface, axes: readonly Axis[]) {
  const { ctx } = s
  ctx.font = `11px ${s.css('--sans')}`
  ctx.textBaseline = 'middle'
  axes.forEach((a, i) => {
    const x = xOf(s, i, axes.length)
    ctx.strokeStyle = s.css('--dim')
    ctx.lineWidth = 1
    ctx.beginPath()
    ctx.moveTo(x, yOf(s, 0))
    ctx.lineTo(x, yOf(s, 1))
    ctx.stroke()
    const last = i === axes.length - 1
    ctx.textAlign = last ? 'left' : 'right'
    let lowest = Infinity
    for (const t of a.ticks) {
      const y = yOf(s, t.at)
      if (Math.abs(lowest - y) < 13) continue
      lowest = y
      const text = t.text.length > 9 ? `${t.text.slice(0, 8)}…` : t.text
      ctx.lineWidth = 3
      ctx.strokeStyle = s.css('--surface')
      ctx.strokeText(text, x + (last ? 6 : -6), y)
      ctx.fillStyle = s.css('--dim')
      ctx.fillText(text, x + (last ? 6 : -6), y)
      ctx.fillRect(x - 2, y - 0.5, 5, 1)
    }
  })
}

// A line through the axes where it has a place.
function trace(s: Surface, places: readonly (number | null)[], axes: number) {
  let down = false
  places.forEach((p, i) => {
    if (p === null) return (down = false)
    const [x, y] = [xOf(s, i, axes), yOf(s, p)]
    if (down) s.ctx.lineTo(x, y)
    else s.ctx.moveTo(x, y)
    down = true
  })
}

function drawLine(s: Surface, places: readonly (number | null)[], axes: number, color: string, width: number) {
  s.ctx.strokeStyle = color
  s.ctx.lineWidth = width
  s.ctx.beginPath()
  trace(s, places, axes)
  s.ctx.stroke()
}

function drawBrush(s: Surface, axes: number, axis: number, from: number, to: number) {
  const [x, top, bottom] = [xOf(s, axis, axes), yOf(s, to), yOf(s, from)]
  s.ctx.fillStyle = s.css('--accent')
  s.ctx.globalAlpha = 0.25
  s.ctx.fillRect(x - 7, top, 14, Math.max(2, bottom - top))
  s.ctx.globalAlpha = 1
}
