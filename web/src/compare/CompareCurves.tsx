import { useCallback, useMemo, useState } from 'react'
import { useSearchParams } from 'wouter'
import { Chart, type Range } from '../chart/Chart'
import { decodeCurve } from '../chart/curve'
import { lineOf } from '../chart/lines'
import { formatValue } from '../format/number'
import { CompareSeriesDocument } from '../gen/graphql'
import { useAsk } from '../link/useAsk'
import { Loading, Trouble } from '../parts/State'
import { Choice, Toggle } from '../parts/Toggle'
import { byImportance } from '../metrics/order'
import { AlignedTable } from './AlignedTable'
import { axisOf, looks, placed, stepsWithin, xAxes, type Placed, type XAxis } from './axis'
import type { Colored, ComparedRun } from './ComparePage'

const atFirst = 4

export function CompareCurves({ comparison, color }: Colored) {
  const [params, setParams] = useSearchParams()
  const axis = axisOf(params.get('x'))
  const keys = useMemo(() => byImportance(comparison.metrics.map((m) => m.key)), [comparison.metrics])
  const picked = params.get('keys')?.split(',').filter((k) => keys.includes(k))
  const shown = picked && picked.length > 0 ? picked : keys.slice(0, atFirst)
  const [range, setRange] = useState<Range | null>(null)
  const [steps, setSteps] = useState<Range | null>(null)
  const [log, setLog] = useState(false)
  const [smoothing, setSmoothing] = useState(0)

  const set = (name: string, value: string) => {
    const next = new URLSearchParams(params)
    if (value) next.set(name, value)
    else next.delete(name)
    setParams(next, { replace: true })
  }

  const seq = comparison.metrics.map((m) => m.lastStep.join()).join(';')
  const { data, error, again } = useAsk(
    CompareSeriesDocument,
    { runs: comparison.runs.map((r) => r.id), keys: shown, axis: looks[axis].asked, maxPoints: 500, fromStep: steps?.[0] ?? null, toStep: steps?.[1] ?? null },
    { nudge: seq, every: 2_000, pause: shown.length === 0 },
  )
  const curves = useMemo(() => data?.metricSeries.map((s) => placed(decodeCurve(s), s.x, s.noAxis)), [data])

  const zoom = useCallback(
    (to: Range | null) => {
      setRange(to)
      if (!to) return setSteps(null)
      if (axis === 'step') return setSteps([Math.floor(to[0]), Math.ceil(to[1])])
      setSteps(stepsWithin(curves ?? [], to))
    },
    [axis, curves],
  )
  if (keys.length === 0) return null
  const lost = new Map(curves?.flatMap((c) => (c.noAxis ? [[c.curve.run, c.noAxis]] : [])))
  return (
    <section aria-label="Curves">
      <div className="filters">
        <span className="dim">x</span>
        <Choice
          label="x axis"
          of={xAxes}
          value={axis}
          set={(to) => {
            setRange(null)
            setSteps(null)
            set('x', to === 'step' ? '' : to.toLowerCase())
          }}
        />
        <Toggle on={log} set={setLog}>
          log y
        </Toggle>
        <Toggle on={smoothing > 0} set={(on) => setSmoothing(on ? 0.9 : 0)}>
          smooth
        </Toggle>
        {range && (
          <button type="button" className="chip" onClick={() => zoom(null)}>
            {looks[axis].format(range[0])}–{looks[axis].format(range[1])} ✕
          </button>
        )}
        <span className="spacer" />
        <details className="menu menu-right">
          <summary>Curves {shown.length}/{keys.length}</summary>
          <div>
            {keys.map((key) => (
              <label key={key}>
                <input type="checkbox" checked={shown.includes(key)} onChange={(e) => set('keys', (e.target.checked ? [...shown, key] : shown.filter((k) => k !== key)).join(','))} />
                {key}
              </label>
            ))}
          </div>
        </details>
      </div>
      {error && !curves && <Trouble error={error} again={again} />}
      {!error && !curves && <Loading what="curves" rows={4} />}
      {curves && (
        <div className={`chart-grid chart-grid-${Math.min(shown.length, 2)}`}>
          {shown.map((key) => (
            <KeyChart key={key} name={key} curves={curves.filter((c) => c.curve.key === key)} runs={comparison.runs} color={color} axis={axis} log={log} smoothing={smoothing} range={range} zoom={zoom} />
          ))}
        </div>
      )}
      {lost.size > 0 && (
        <p className="warn" role="status">
          {comparison.runs.flatMap((r) => (lost.has(r.id) ? [`${r.name || r.id} has no place on this axis: ${lost.get(r.id)}`] : [])).join('; ')}
        </p>
      )}
      {shown.length > 0 && <AlignedTable comparison={comparison} color={color} keys={shown} axis={axis} nudge={seq} />}
    </section>
  )
}

interface KeyChartProps {
  name: string
  curves: Placed[]
  runs: ComparedRun[]
  color: (index: number) => string
  axis: XAxis
  log: boolean
  smoothing: number
  range: Range | null
  zoom: (to: Range | null) => void
}

function KeyChart({ name, curves, runs, color, axis, log, smoothing, range, zoom }: KeyChartProps) {
  const lines = useMemo(
    () =>
      runs.flatMap((run, i) =>
        curves
          .filter(({ curve }) => curve.run === run.id)
          .flatMap(({ curve, x }, n) => lineOf(curve, { color: color(i), label: run.name || run.id, smoothing, x, dash: n > 0 ? [4, 3] : i >= 10 ? [8, 3] : undefined })),
      ),
    [curves, runs, color(0), smoothing],
  )
  return (
    <figure className="chart-card">
      <figcaption>
        <span>{name}</span>
        <span className="dim">by {axis}</span>
      </figcaption>
      <Chart name={name} lines={lines} xLabel={axis} xTitle={looks[axis].title} formatX={looks[axis].format} formatY={formatValue} log={log} range={range} onRange={zoom} sync={`compare-${axis}`} height={230} />
    </figure>
  )
}
