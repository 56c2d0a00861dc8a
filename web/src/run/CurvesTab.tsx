import { useCallback, useMemo, useState } from 'react'
import type { Range } from '../chart/Chart'
import { formatInteger, formatTick } from '../format/number'
import { RunMetricsDocument, type RunHeadFragment } from '../gen/graphql'
import { useAsk } from '../link/useAsk'
import { Command } from '../parts/Command'
import { Empty, Loading, Trouble } from '../parts/State'
import { ended } from '../parts/Status'
import { Toggle } from '../parts/Toggle'
import { CurveGroup } from './CurveGroup'
import { groups } from './groups'

export interface View {
  range: Range | null
  setRange: (range: Range | null) => void
  log: boolean
  // Weight of the past in the moving average; 0 is off.
  smoothing: number
}

export function CurvesTab({ run }: { run: RunHeadFragment }) {
  const { data, error, loading, again } = useAsk(RunMetricsDocument, { id: run.id }, { nudge: run.seq, every: 1_000 })
  const [search, setSearch] = useState('')
  const [range, setRange] = useState<Range | null>(null)
  const [log, setLog] = useState(false)
  const [smoothing, setSmoothing] = useState(0)
  const names = JSON.stringify(data?.run?.metrics.map((m) => m.key) ?? [])
  const shown = useMemo(() => groups(JSON.parse(names) as string[], search), [names, search])
  const zoom = useCallback((to: Range | null) => setRange(to), [])
  const view: View = useMemo(() => ({ range, setRange: zoom, log, smoothing }), [range, zoom, log, smoothing])

  if (error && !data) return <Trouble error={error} again={again} />
  if (loading) return <Loading what="metrics" rows={6} />
  const total = data?.run?.metrics.length ?? 0
  if (total === 0) return <NoMetrics run={run} />
  return (
    <>
      <div className="filters">
        <input type="search" placeholder={`Search ${formatInteger(total)} metrics`} aria-label="Search metrics" value={search} onChange={(e) => setSearch(e.target.value)} />
        <Toggle on={log} set={setLog} title="Logarithmic y axis">
          log y
        </Toggle>
        <Toggle on={smoothing > 0} set={(on) => setSmoothing(on ? 0.9 : 0)} title="Exponential moving average; the raw values stay visible behind it">
          smooth
        </Toggle>
        {smoothing > 0 && (
          <label className="slider">
            <span className="hidden">Weight of the past</span>
            <input type="range" min={0.5} max={0.99} step={0.01} value={smoothing} onChange={(e) => setSmoothing(Number(e.target.value))} />
            <span className="num dim">{smoothing.toFixed(2)}</span>
          </label>
        )}
        {range && (
          <button type="button" className="chip" onClick={() => setRange(null)}>
            steps {formatTick(Math.round(range[0]))}–{formatTick(Math.round(range[1]))} ✕
          </button>
        )}
        <span className="spacer" />
        <span className="dim hint">drag to zoom, double-click for all</span>
      </div>
      {shown.length === 0 && <Empty title="No metric fits" />}
      {shown.map((group, i) => (
        <CurveGroup key={group.name} run={run} group={group} view={view} openAtFirst={i < 5 || group.keys.length <= 12} />
      ))}
    </>
  )
}

function NoMetrics({ run }: { run: RunHeadFragment }) {
  if (run.status === 'PENDING')
    return (
      <Empty title="Waiting for a worker">
        <p>The run is in the log; a node with the role for it takes it up.</p>
      </Empty>
    )
  if (!ended(run.status)) return <Empty title="No metrics yet">They appear here as they are logged.</Empty>
  return (
    <Empty title="This run logged no metrics">
      <p>
        What it wrote stands under Console; as text: <Command>{`millrace show ${run.id}`}</Command>
      </p>
    </Empty>
  )
}
