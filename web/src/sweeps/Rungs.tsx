import { useMemo } from 'react'
import { useDark } from '../chart/palette'
import { useCanvas, type Surface } from '../chart/useCanvas'
import { formatInteger, formatValue } from '../format/number'
import { Card } from '../parts/Card'
import { rungsOf, valueAxis, type Row } from './trials'

const height = 240
const pad = { top: 12, bottom: 24, left: 46, right: 26 }

// Who went on at each rung of successive halving: a dot for each trial that came to it, a line for each that went on.
export function Rungs({ rows, rungs, metric, direction, pointed, best }: { rows: readonly Row[]; rungs: readonly number[]; metric: string; direction: string; pointed: number | null; best: string | null }) {
  const dark = useDark()
  const figures = useMemo(() => rungsOf(rows, rungs, direction), [rows, rungs, direction])
  const axis = useMemo(() => valueAxis(metric, rows.flatMap((r) => r.scores.map((s) => s.value))), [rows, metric])
  const canvas = useCanvas(
    (s) => {
      const { ctx } = s
      const x = (rung: number) => (rungs.length > 1 ? pad.left + ((s.width - pad.left - pad.right) * rung) / (rungs.length - 1) : s.width / 2)
      const y = (at: number) => s.height - pad.bottom - (s.height - pad.top - pad.bottom) * at
      drawGrid(s, axis.ticks.map((t) => [y(t.at), t.text]), rungs.map((steps, i) => [x(i), formatInteger(steps)]))
      const at = (r: Row, rung: number) => {
        const value = r.scores.find((c) => c.rung === rung)?.value
        const place = value === undefined ? null : axis.at(value)
        return place === null ? null : ([x(rung), y(place)] as const)
      }
      const path = (r: Row) => {
        let down = false
        rungs.forEach((_, rung) => {
          const p = at(r, rung)
          if (!p) return (down = false)
          if (down) ctx.lineTo(...p)
          else ctx.moveTo(...p)
          down = true
        })
      }
      ctx.strokeStyle = s.css('--accent')
      ctx.lineWidth = rows.length > 400 ? 0.7 : 1.2
      ctx.globalAlpha = rows.length > 400 ? 0.4 : 0.75
      ctx.beginPath()
      rows.forEach(path)
      ctx.stroke()
      ctx.globalAlpha = 1
      const size = rows.length > 400 ? 1.6 : 3
      for (const on of [false, true]) {
        ctx.fillStyle = on ? s.css('--accent') : s.css('--dim')
        ctx.globalAlpha = on ? 1 : 0.55
        ctx.beginPath()
        for (const r of rows)
          for (const score of r.scores) {
            const p = r.rung > score.rung === on ? at(r, score.rung) : null
            if (!p) continue
            ctx.moveTo(p[0] + size, p[1])
            ctx.arc(p[0], p[1], size, 0, 2 * Math.PI)
          }
        ctx.fill()
      }
      ctx.globalAlpha = 1
      for (const [row, color] of [
        [rows.find((r) => r.run === best), s.css('--good')],
        [pointed === null ? undefined : rows[pointed], s.css('--text')],
      ] as const) {
        if (!row) continue
        ctx.strokeStyle = ctx.fillStyle = color
        ctx.lineWidth = 2.4
        ctx.beginPath()
        path(row)
        ctx.stroke()
        for (const score of row.scores) {
          const p = at(row, score.rung)
          if (!p) continue
          ctx.beginPath()
          ctx.arc(p[0], p[1], 4, 0, 2 * Math.PI)
          ctx.fill()
        }
      }
    },
    [rows, rungs, axis, pointed, best, dark],
  )
  return (
    <Card title="Rungs" aside={<span className="dim">● went on, <span className="pale">●</span> stayed behind</span>}>
      <div className="columns columns-wide">
        <div className="rungs-box" style={{ height }}>
          <canvas ref={canvas} role="img" aria-label={`${metric} of each trial at each rung. ${figures.map((f) => `After ${formatInteger(f.steps)} steps ${f.wentOn} of ${f.came} went on`).join('; ')}.`} />
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
