import { useCallback, useMemo, useState } from 'react'
import { useSearchParams } from 'wouter'
import { Chart, type Range } from '../chart/Chart'
import { decodeCurve, type Curve } from '../chart/curve'
import { lineOf } from '../chart/lines'
import { formatCount, formatTick, formatValue } from '../format/number'
import { formatSeconds } from '../format/time'
import { CompareSeriesDocument } from '../gen/graphql'
import { useAsk } from '../link/useAsk'
import { Loading, Trouble } from '../parts/State'
import { Choice, Toggle } from '../parts/Toggle'
import { byImportance } from '../metrics/order'
import { stepsWithin, xAxes, xOf, type TokenClock, type XAxis } from './axis'
import type { Colored, ComparedRun } from './ComparePage'

const atFirst = 4

const formats: Record<XAxis, (x: number) => string> = { step: formatTick, tokens: (x) => formatCount(x), time: (x) => formatSeconds(Math.round(x)) }

export function CompareCurves({ comparison, color }: Colored) {
  const [params, setParams] = useSearchParams()
  const axis = xAxes.find((a) => a === params.get('x')) ?? 'step'
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
    { runs: comparison.runs.map((r) => r.id), keys: shown, maxPoints: 500, fromStep: steps?.[0] ?? null, toStep: steps?.[1] ?? null },
    { nudge: seq, every: 2_000, pause: shown.length === 0 },
  )
  const curves = useMemo(() => data?.metricSeries.map(decodeCurve), [data])
  const clocks = useClocks(comparison.runs, axis === 'tokens', seq)

  const zoom = useCallback(
    (to: Range | null) => {
      setRange(to)
      if (!to) return setSteps(null)
      if (axis === 'step') return setSteps([Math.floor(to[0]), Math.ceil(to[1])])
      const all = curves ?? []
      setSteps(stepsWithin(all, all.map((c) => xs(c, axis, comparison.runs, clocks)), to))
    },
    [axis, curves, comparison.runs, clocks],
  )
  if (keys.length === 0) return null
  const tokensKnown = keys.includes('tokens') || comparison.runs.some((r) => r.checkpoints.some((c) => c.tokens > 0))
  return (
    <section aria-label="Curves">
      <div className="filters">
        <span className="dim">x</span>
        <Choice
          label="x axis"
          of={tokensKnown ? xAxes : (['step', 'time'] as const)}
          value={axis}
          set={(to) => {
            setRange(null)
            setSteps(null)
            set('x', to === 'step' ? '' : to)
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
            {formats[axis](range[0])}–{formats[axis](range[1])} ✕
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
            <KeyChart key={key} name={key} curves={curves.filter((c) => c.key === key)} runs={comparison.runs} color={color} clocks={clocks} axis={axis} log={log} smoothing={smoothing} range={range} zoom={zoom} />
          ))}
        </div>
      )}
    </section>
  )
}

type Clocks = Map<string, TokenClock>

const xs = (curve: Curve, axis: XAxis, runs: ComparedRun[], clocks: Clocks): number[] => {
  const run = runs.find((r) => r.id === curve.run)
  return xOf(curve, axis, run?.startedAt ? Date.parse(run.startedAt) / 1000 : (curve.times[0] ?? 0), clocks.get(curve.run) ?? [])
}

// How many tokens each run had read at which step: by the metric that says so, else by its checkpoints.
function useClocks(runs: ComparedRun[], wanted: boolean, nudge: string): Clocks {
  const { data } = useAsk(CompareSeriesDocument, { runs: runs.map((r) => r.id), keys: ['tokens'], maxPoints: 200 }, { nudge, every: 2_000, pause: !wanted })
  return useMemo(() => {
    const clocks: Clocks = new Map(runs.map((r) => [r.id, r.checkpoints]))
    for (const curve of (data?.metricSeries ?? []).map(decodeCurve)) {
      if (curve.steps.length > 0) clocks.set(curve.run, curve.steps.map((step, i) => ({ step, tokens: curve.values[i] as number })))
    }
    return clocks
  }, [runs, data])
}

interface KeyChartProps {
  name: string
  curves: Curve[]
  runs: ComparedRun[]
  color: (index: number) => string
  clocks: Clocks
  axis: XAxis
  log: boolean
  smoothing: number
  range: Range | null
  zoom: (to: Range | null) => void
}

function KeyChart({ name, curves, runs, color, clocks, axis, log, smoothing, range, zoom }: KeyChartProps) {
  const lines = useMemo(
    () =>
      runs.flatMap((run, i) =>
        curves
          .filter((c) => c.run === run.id)
          .flatMap((curve, n) => lineOf(curve, { color: color(i), label: run.name || run.id, smoothing, x: xs(curve, axis, runs, clocks), dash: n > 0 ? [4, 3] : i >= 10 ? [8, 3] : undefined })),
      ),
    [curves, runs, clocks, color(0), axis, smoothing],
  )
  return (
    <figure className="chart-card">
      <figcaption>
        <span>{name}</span>
        <span className="dim">by {axis}</span>
      </figcaption>
      <Chart name={name} lines={lines} xLabel={axis} formatX={formats[axis]} formatY={formatValue} log={log} range={range} onRange={zoom} sync={`compare-${axis}`} height={230} />
    </figure>
  )
}
