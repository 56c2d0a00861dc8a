import { useEffect, useMemo, useRef } from 'react'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { formatValue } from '../format/number'
import { align, type Aligned, type Line } from './align'
import { axes } from './axes'
import { drawMarks } from './marks'
import { useDark } from './palette'

export type Range = [from: number, to: number]

export interface ChartProps {
  // What is shown, for people who cannot see it.
  name: string
  lines: Line[]
  xLabel: string
  // Written below the x axis, with its unit; nothing when left out.
  xTitle?: string
  formatX: (x: number) => string
  formatY?: (y: number) => string
  log?: boolean
  height?: number
  // Shown part of the x axis; everything when left out.
  range?: Range | null
  // Called with the part that was dragged over, and with null for everything (double click).
  onRange?: (range: Range | null) => void
  // Charts with one key move their cursors together.
  sync?: string
  // The y axis starts at zero.
  fromZero?: boolean
  // y counts bytes: its labels are at powers of two.
  bytes?: boolean
}

export function Chart(props: ChartProps) {
  const { name, lines, log = false, height = 190, range = null } = props
  const formatY = props.formatY ?? formatValue
  const dark = useDark()
  const box = useRef<HTMLDivElement>(null)
  const legend = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot>(undefined)
  const now = useRef({ ...props, formatY, aligned: undefined as Aligned | undefined })

  const aligned = useMemo(() => align(lines, log), [lines, log])
  now.current = { ...props, formatY, aligned }

  // The picture is built anew only when what it is made of changes; new points are only handed to it.
  const structure = JSON.stringify([lines.map((l) => [l.id, l.color, l.label, l.faint, l.dash, l.dots, sparse(l)]), aligned.places, log, dark, props.xLabel, props.xTitle, props.sync, props.fromZero])
  useEffect(() => {
    const target = box.current
    if (!target) return
    const u = new uPlot(options(now, legend, target.clientWidth, height, log), aligned.columns as uPlot.AlignedData, target)
    plot.current = u
    writeLegend(u, now.current, legend.current)
    const watch = new ResizeObserver(() => {
      if (target.clientWidth > 0 && target.clientWidth !== u.width) u.setSize({ width: target.clientWidth, height })
    })
    watch.observe(target)
    return () => {
      watch.disconnect()
      u.destroy()
      plot.current = undefined
    }
  }, [structure, height])

  useEffect(() => {
    const u = plot.current
    if (!u) return
    if (u.data !== (aligned.columns as unknown)) u.setData(aligned.columns as uPlot.AlignedData)
    writeLegend(u, now.current, legend.current)
  }, [aligned, range?.[0], range?.[1]])

  const shown = lines.filter((l) => !l.faint)
  return (
    <div className="chart">
      <div
        ref={box}
        className="chart-box"
        style={{ height }}
        role="img"
        aria-label={`${name}. ${shown.map((l) => `${l.label}: ${formatY(l.y.at(-1) ?? NaN)}`).join('; ')}`}
      />
      <div className="chart-legend" ref={legend}>
        {shown.map((l) => (
          <span key={l.id} className="chart-key" title={l.label}>
            <i style={{ background: l.color }} />
            <span className="chart-label">{l.label}</span>
            <b className="num" />
          </span>
        ))}
      </div>
    </div>
  )
}

type Now = { current: ChartProps & { formatY: (y: number) => string; aligned: Aligned | undefined } }

function options(now: Now, legend: { current: HTMLDivElement | null }, width: number, height: number, log: boolean): uPlot.Options {
  const { lines, sync, fromZero } = now.current
  const places = now.current.aligned?.places ?? []
  const series: uPlot.Series[] = [{}]
  const bands: uPlot.Band[] = []
  lines.forEach((line, i) => {
    const place = places[i]
    if (!place) return
    series[place.y] = {
      label: line.label,
      stroke: line.color,
      alpha: line.faint ? 0.3 : 1,
      width: line.faint ? 1 : 1.6,
      dash: line.dash,
      ...(line.dots ? { paths: () => null } : {}),
      points: line.faint ? { show: false } : { size: 5, fill: line.color, ...(line.dots || sparse(line) ? { show: true } : {}) },
    }
    if (place.max) {
      const edge: uPlot.Series = { stroke: 'transparent', width: 0, points: { show: false } }
      series[place.max] = edge
      series[place.min] = { ...edge }
      bands.push({ series: [place.max, place.min], fill: line.color + '40' })
    }
  })
  return {
    width: Math.max(1, width),
    height,
    series,
    bands,
    legend: { show: false },
    padding: [8, now.current.xTitle ? 30 : 18, 0, 0],
    scales: {
      x: { time: false, range: (_u, min, max) => now.current.range ?? widen(min, max) },
      y: log ? { distr: 3, log: 10, range: (_u, min, max) => (min > 0 ? [min / 1.08, max * 1.08] : [1, 10]) } : fromZero ? { range: (_u, _min, max) => [0, max > 0 ? max * 1.05 : 1] } : {},
    },
    axes: axes((x) => now.current.formatX(x), log, now.current.bytes ?? false, now.current.xTitle),
    cursor: {
      drag: { x: true, y: false, setScale: false, uni: 8 },
      sync: sync ? { key: sync, scales: ['x', null] } : undefined,
      points: { size: 6 },
      // Each line tells its value at its own point nearest to the cursor.
      dataIdx: (u, at, hovered) => nearest(u.data[at] as (number | null | undefined)[], hovered),
      bind: { dblclick: (_u, _target, _handler) => () => (now.current.onRange?.(null), null) },
    },
    hooks: {
      draw: [(u) => now.current.aligned && drawMarks(u, now.current.aligned, now.current.lines)],
      setCursor: [(u) => writeLegend(u, now.current, legend.current)],
      setSelect: [
        (u) => {
          if (u.select.width < 8) return
          const from = u.posToVal(u.select.left, 'x')
          const to = u.posToVal(u.select.left + u.select.width, 'x')
          u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false)
          now.current.onRange?.([from, to])
        },
      ],
    },
  }
}

// A line of few points shows them; a lone point would otherwise not be seen at all.
const sparse = (line: Line) => line.y.length <= 40

function widen(min: number, max: number): Range {
  if (min === null || max === null) return [0, 1]
  return min === max ? [min - 0.5, max + 0.5] : [min, max]
}

function nearest(column: (number | null | undefined)[], at: number): number {
  if (column[at] != null) return at
  for (let d = 1; d < column.length; d++) {
    if (column[at - d] != null) return at - d
    if (column[at + d] != null) return at + d
    if (at - d < 0 && at + d >= column.length) break
  }
  return at
}

// Values beside the labels: under the cursor, or each line's last.
function writeLegend(u: uPlot, now: Now['current'], box: HTMLDivElement | null): void {
  if (!box) return
  const hovering = u.cursor.idx != null && (u.cursor.left ?? -1) >= 0
  let entry = 0
  now.lines.forEach((line, i) => {
    if (line.faint) return
    const text = box.children[entry++]?.lastElementChild
    const place = now.aligned?.places[i]
    if (!text || !place) return
    let value = line.y.at(-1)
    if (hovering) {
      const index = u.cursor.idxs?.[place.y]
      value = index == null ? undefined : (u.data[place.y]?.[index] ?? undefined)
    }
    text.textContent = value === undefined ? '' : now.formatY(value)
  })
}
