import { useMemo } from 'react'
import { useDark } from '../chart/palette'
import { useCanvas, type Surface } from '../chart/useCanvas'
import { formatInteger, formatValue } from '../format/number'
import { Card } from '../parts/Card'
import { rungsOf, valueAxis, type Axis, type Row } from './trials'

const height = 240
const pad = { top: 12, bottom: 24, left: 46, right: 26 }

// Who went on at each rung of successive halving: a dot for each trial that came to it, a line for each that went on.
export function Rungs({ rows, rungs, metric, direction, pointed, best }: { rows: readonly Row[]; rungs: readonly number[]; metric: string; direction: string; pointed: number | null; best: string | null }) {
  const dark = useDark()
  const figures = useMemo(() => rungsOf(rows, rungs, direction), [rows, rungs, direction])
  const axis = useMemo(() => valueAxis(metric, rows.flatMap((r) => r.scores.map((s) => s.value))), [rows, metric])
  const crowd = rows.length > 400
  const ground = useCanvas(
    (s) => {
      const { ctx } = s
      const at = placer(s, rungs.length, axis)
      drawGrid(s, axis.ticks.map((t) => [yOf(s, t.at), t.text]), rungs.map((steps, i) => [xOf(s, i, rungs.length), formatInteger(steps)]))
      ctx.strokeStyle = s.css('--accent')
      ctx.lineWidth = crowd ? 1 : 1.2
      ctx.globalAlpha = crowd ? 0.25 : 0.75
      const on = rows.filter((r) => r.scores.length > 1)
      ctx.beginPath()
      for (const r of on) trace(ctx, r, at)
      ctx.stroke()
      const size = crowd ? 1.5 : 3
      for (const went of [false, true]) {
        ctx.fillStyle = went ? s.css('--accent') : s.css('--dim')
        ctx.globalAlpha = went ? 1 : 0.55
        for (const r of rows)
          for (const score of r.scores) {
            const p = r.rung > score.rung === went ? at(score) : null
            if (!p) continue
            if (crowd) ctx.fillRect(p[0] - size, p[1] - size, 2 * size, 2 * size)
            else dot(ctx, p, size)
          }
      }
      ctx.globalAlpha = 1
      emphasise(s, rows.find((r) => r.run === best), s.css('--good'), at)
    },
    [rows, rungs, axis, best, dark],
  )
  const over = useCanvas((s) => emphasise(s, pointed === null ? undefined : rows[pointed], s.css('--text'), placer(s, rungs.length, axis)), [rows, rungs, axis, pointed, dark])
  return (
    <Card title="Rungs" aside={<span className="dim">● went on, <span className="pale">●</span> stayed behind</span>}>
      <div className="columns columns-wide">
        <div className="rungs-box" style={{ height }}>
          <canvas ref={ground} role="img" aria-label={`${metric} of each trial at each rung. ${figures.map((f) => `After ${formatInteger(f.steps)} steps ${f.wentOn} of ${f.came} went on`).join('; ')}.`} />
          <canvas ref={over} aria-hidden="true" />
        </div>
        <table className="plain">
          <thead>
            <tr>
              <th scope="col" className="right">steps</th>
              <th scope="col" className="right">came</th>
              <th scope="col" className="right">went on</th>
              <th scope="col" className="right">best</th>
              <th scope="col" className="right">worst that went on</th>
            </tr>
          </thead>
          <tbody>
            {figures.map((f) => (
              <tr key={f.rung}>
                <th scope="row" className="right num">{formatInteger(f.steps)}</th>
                <td className="right num">{formatInteger(f.came)}</td>
                <td className="right num">{f.rung === figures.length - 1 ? '–' : formatInteger(f.wentOn)}</td>
                <td className="right num">{formatValue(f.best)}</td>
                <td className="right num">{formatValue(f.bar)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Card>
  )
}

type Score = Row['scores'][number]
type Place = readonly [x: number, y: number]

const xOf = (s: Surface, rung: number, rungs: number) => (rungs > 1 ? pad.left + ((s.width - pad.left - pad.right) * rung) / (rungs - 1) : s.width / 2)
const yOf = (s: Surface, at: number) => s.height - pad.bottom - (s.height - pad.top - pad.bottom) * at

// Where a score is drawn; null for one that is no number.
const placer =
  (s: Surface, rungs: number, axis: Axis) =>
  (score: Score): Place | null => {
    const at = axis.at(score.value)
    return at === null ? null : [xOf(s, score.rung, rungs), yOf(s, at)]
  }

// A line from rung to rung, broken where the trial was worth nothing.
function trace(ctx: CanvasRenderingContext2D, row: Row, at: (score: Score) => Place | null) {
  let down = false
  for (const score of row.scores) {
    const p = at(score)
    if (p && down) ctx.lineTo(...p)
    else if (p) ctx.moveTo(...p)
    down = p !== null
  }
}

function dot(ctx: CanvasRenderingContext2D, [x, y]: Place, size: number) {
  ctx.beginPath()
  ctx.arc(x, y, size, 0, 2 * Math.PI)
  ctx.fill()
}

function emphasise({ ctx }: Surface, row: Row | undefined, color: string, at: (score: Score) => Place | null) {
  if (!row) return
  ctx.strokeStyle = ctx.fillStyle = color
  ctx.lineWidth = 2.4
  ctx.beginPath()
  trace(ctx, row, at)
  ctx.stroke()
  for (const score of row.scores) {
    const p = at(score)
    if (p) dot(ctx, p, 4)
  }
}

function drawGrid(s: Surface, rows: [number, string][], columns: [number, string][]) {
  const { ctx } = s
  ctx.font = `11px ${s.css('--sans')}`
  ctx.strokeStyle = s.css('--grid')
  ctx.fillStyle = s.css('--dim')
  ctx.lineWidth = 1
  ctx.beginPath()
  for (const [y] of rows) {
    ctx.moveTo(pad.left - 6, y)
    ctx.lineTo(s.width - pad.right + 10, y)
  }
  for (const [x] of columns) {
    ctx.moveTo(x, pad.top)
    ctx.lineTo(x, s.height - pad.bottom)
  }
  ctx.stroke()
  ctx.textBaseline = 'middle'
  ctx.textAlign = 'right'
  for (const [y, text] of rows) ctx.fillText(text, pad.left - 10, y)
  ctx.textAlign = 'center'
  columns.forEach(([x, text], i) => ctx.fillText(i === 0 ? `${text} steps` : text, x, s.height - pad.bottom / 2))
}
