import { memo, useEffect, useMemo, useRef, useState } from 'react'
import { Chart } from '../chart/Chart'
import type { Curve } from '../chart/curve'
import { lineOf } from '../chart/lines'
import { usePalette } from '../chart/palette'
import { formatTick, formatValue } from '../format/number'
import type { RunHeadFragment } from '../gen/graphql'
import { Loading, Trouble } from '../parts/State'
import { ended } from '../parts/Status'
import type { View } from './CurvesTab'
import type { Group } from './groups'
import { useCurves } from './useCurves'

const first = 12 // charts that a group shows at once
const more = 48 // and with each further wish; also as many keys as are asked of the node in one question

export function CurveGroup({ run, group, view, openAtFirst }: { run: RunHeadFragment; group: Group; view: View; openAtFirst: boolean }) {
  const [open, setOpen] = useState(openAtFirst)
  const [limit, setLimit] = useState(first)
  const parts = useMemo(() => {
    const list = [group.keys.slice(0, first)]
    for (let at = first; at < Math.min(limit, group.keys.length); at += more) list.push(group.keys.slice(at, at + more))
    return list
  }, [group.keys, limit])
  const rest = group.keys.length - limit
  return (
    <section className="curves">
      <h2>
        <button type="button" aria-expanded={open} onClick={() => setOpen(!open)}>
          <span aria-hidden="true">{open ? '▾' : '▸'}</span> {group.name} <span className="dim num">{group.keys.length}</span>
        </button>
      </h2>
      {open && parts.map((keys) => <Charts key={keys[0]} run={run} keys={keys} view={view} together={group.name === 'loss'} />)}
      {open && rest > 0 && (
        <button type="button" onClick={() => setLimit(limit + more)}>
          Show {Math.min(more, rest)} more of {group.keys.length}
        </button>
      )}
    </section>
  )
}

// True from the first time the element comes near the window: a run with thousands of metrics asks only for what is looked at.
function useSeen<E extends Element>(): [React.RefObject<E | null>, boolean] {
  const box = useRef<E>(null)
  const [seen, setSeen] = useState(false)
  useEffect(() => {
    if (!box.current || seen) return
    const watch = new IntersectionObserver((entries) => entries.some((e) => e.isIntersecting) && setSeen(true), { rootMargin: '300px' })
    watch.observe(box.current)
    return () => watch.disconnect()
  }, [seen])
  return [box, seen]
}

const none: string[] = []

function Charts({ run, keys, view, together }: { run: RunHeadFragment; keys: string[]; view: View; together: boolean }) {
  const [box, seen] = useSeen<HTMLDivElement>()
  const { curves, error, again } = useCurves(run.id, seen ? keys : none, view.range, !ended(run.status), `${run.attempts}|${run.rewoundTo}`)
  if (!seen) return <div ref={box} style={{ minHeight: 220 }} />
  if (error && !curves) return <Trouble error={error} again={again} />
  if (!curves) return <Loading what="curves" />
  if (together) return <KeyChart name="loss" curves={curves} view={view} height={260} />
  return (
    <div className="chart-grid">
      {keys.map((key) => (
        <KeyChart key={key} name={key} curves={curves.filter((c) => c.key === key)} view={view} />
      ))}
    </div>
  )
}

const KeyChart = memo(
  function KeyChart({ name, curves, view, height }: { name: string; curves: Curve[]; view: View; height?: number }) {
    const color = usePalette()
    const lines = useMemo(() => {
      const keys = [...new Set(curves.map((c) => c.key))]
      return curves.flatMap((curve, i) => lineOf(curve, { color: color(keys.length > 1 ? keys.indexOf(curve.key) : i), label: label(curve, curves), smoothing: view.smoothing, x: curve.steps }))
    }, [curves, view.smoothing, color(0)])
    const thinned = curves.some((c) => c.min !== null)
    const points = curves.reduce((n, c) => n + c.points, 0)
    return (
      <figure className="chart-card">
        <figcaption>
          <span title={name}>{name}</span>
          <span className="dim num" title={thinned ? 'More points than pixels: the line is each bucket’s last value, the shade spans its smallest and largest' : undefined}>
            {formatTick(points)} points{thinned && ', min–max shaded'}
          </span>
        </figcaption>
        <Chart name={name} lines={lines} xLabel="step" formatX={formatTick} formatY={formatValue} log={view.log} range={view.range} onRange={view.setRange} sync="steps" height={height} />
      </figure>
    )
  },
  (a, b) => a.view === b.view && a.name === b.name && a.curves.length === b.curves.length && a.curves.every((c, i) => c === b.curves[i]),
)

// The key alone, unless several writers or contexts wrote it.
function label(curve: Curve, among: Curve[]): string {
  const same = among.filter((c) => c.key === curve.key)
  const parts = [curve.key]
  if (new Set(same.map((c) => c.context)).size > 1) parts.push(curve.context || 'no context')
  if (new Set(same.map((c) => c.writer)).size > 1) parts.push(curve.writer || 'no writer')
  return parts.join(' · ')
}
