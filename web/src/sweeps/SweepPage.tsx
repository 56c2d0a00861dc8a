import { useEffect, useMemo, useState } from 'react'
import { Link } from 'wouter'
import { decode, formatInteger, formatValue } from '../format/number'
import { formatSeconds, formatTime } from '../format/time'
import { useNow } from '../format/useNow'
import { StopSweepDocument, SweepDocument, type SweepQuery } from '../gen/graphql'
import { useAsk } from '../link/useAsk'
import { useNudge } from '../link/useNudge'
import { Card } from '../parts/Card'
import { Copy } from '../parts/Command'
import { Facts, Figure } from '../parts/Facts'
import { Empty, Loading, Trouble } from '../parts/State'
import { useTitle } from '../parts/title'
import { Refusals } from '../run/Refusals'
import { useWish } from '../run/useWish'
import { useNames } from '../parts/useNames'
import { Parallel } from './Parallel'
import { Rungs } from './Rungs'
import { SweepStatus } from './SweepsPage'
import { TrialsTable } from './TrialsTable'
import { byValue, pathsOf, placesOf, rangeWords, rowsOf, settingAxis, valueAxis, within, type Brushes } from './trials'

type Sweep = NonNullable<SweepQuery['sweep']>

const none: Brushes = new Map()

// One sweep: what is tried, what it was worth, and who went on.
export function SweepPage({ id }: { id: string }) {
  const nudge = useNudge(['sweep.started', 'trial.scored', 'sweep.ended'])
  const [running, setRunning] = useState(true)
  // Where a trial's run stands is told by no fact of the sweep.
  const tick = useNow(5_000, running)
  const { data, error, again } = useAsk(SweepDocument, { id }, { nudge: `${nudge} ${tick}`, every: 3_000 })
  const s = data?.sweep
  useTitle(s?.name || 'Sweep')
  useEffect(() => setRunning(!s || s.status === 'running' || s.trials.some((t) => t.status === 'RUNNING' || t.status === 'PENDING')), [s])
  if (!data) return error ? <Trouble error={error} again={again} /> : <Loading what="sweep" rows={10} />
  if (!s)
    return (
      <Empty title="There is no such sweep">
        <Link href="/sweeps">All sweeps</Link>
      </Empty>
    )
  return (
    <article>
      {error && <Trouble error={error} again={again} />}
      <Head sweep={s} again={again} />
      <Trials sweep={s} />
    </article>
  )
}

function Head({ sweep: s, again }: { sweep: Sweep; again: () => void }) {
  const names = useNames([s.experiment ?? '', s.best ?? ''])
  const { busy, refusals, wish } = useWish()
  const [sure, setSure] = useState(false)
  const now = useNow(1_000, s.status === 'running')
  useEffect(() => {
    if (!sure) return
    const timer = setTimeout(() => setSure(false), 4_000)
    return () => clearTimeout(timer)
  }, [sure])
  const stop = async () => {
    setSure(!sure)
    if (sure && (await wish(StopSweepDocument, { input: { id: s.id } }, (d) => d.stopSweep))) again()
  }
  const count = (of: (string | null)[]) => s.trials.filter((t) => of.includes(t.status)).length
  const failed = count(['FAILED', 'CRASHED', null])
  const best = s.best === null ? undefined : s.trials.find((t) => t.run === s.best)
  return (
    <header className="run-head">
      <div className="run-title">
        <h1>{s.name}</h1>
        <span className="kind">sweep</span>
        <SweepStatus status={s.status} />
        <span className="spacer" />
        {s.status === 'running' && (
          <span className="actions">
            <Refusals of={refusals} />
            <button type="button" className={sure ? 'danger' : ''} disabled={busy} onClick={() => void stop()} title="No more trials; those that run are asked to stop">
              {sure ? 'Really stop?' : 'Stop'}
            </button>
          </span>
        )}
      </div>
      <p className="run-line">
        {s.experiment && (
          <>
            <Link href={`/experiment/${encodeURIComponent(s.experiment)}`}>{names.experiments.get(s.experiment) ?? s.experiment}</Link>
            <span className="dot">·</span>
          </>
        )}
        <span className="nowrap">
          <code>{s.id}</code> <Copy text={s.id} label="Copy id" />
        </span>
        <span className="dot">·</span>
        <span>
          {s.method} by {s.direction === 'max' ? 'highest' : 'lowest'} <b>{s.metric}</b>
        </span>
        <span className="dot">·</span>
        <span>started {formatTime(s.startedAt)}</span>
      </p>
      <div className="figures">
        <Figure
          name="best"
          value={best ? formatValue(decode(s.bestValue)) : '–'}
          note={
            best && (
              <>
                <Link href={`/run/${best.run}`}>trial {best.number}</Link>
              </>
            )
          }
        />
        <Figure name="trials" value={`${formatInteger(s.trials.length)} of ${formatInteger(s.maxRuns)}`} note={`${s.parallel} at once`} />
        <Figure name="running" value={formatInteger(count(['RUNNING', 'PENDING']))} />
        {failed > 0 && <Figure name="failed" value={formatInteger(failed)} />}
        <Figure name="duration" value={formatSeconds(((s.endedAt ? Date.parse(s.endedAt) : now) - Date.parse(s.startedAt)) / 1000)} />
      </div>
    </header>
  )
}

function Trials({ sweep: s }: { sweep: Sweep }) {
  const rows = useMemo(() => rowsOf(s.trials), [s.trials])
  const paths = useMemo(() => pathsOf(s.space), [s.space])
  const axes = useMemo(() => {
    const space = s.space as Record<string, unknown>
    return [...paths.map((p) => settingAxis(p, space[p], rows)), valueAxis(s.metric, rows.map((r) => r.value))]
  }, [rows, paths, s.metric, s.space])
  const lines = useMemo(() => rows.map((r) => placesOf(r, axes)), [rows, axes])
  const ranks = useMemo(() => rankOf(rows.map((r) => r.value), s.direction), [rows, s.direction])
  const [brushes, brush] = useState(none)
  const [pointed, point] = useState<string | null>(null)
  const at = pointed === null ? -1 : rows.findIndex((r) => r.run === pointed)
  const chosen = useMemo(() => (brushes.size === 0 ? rows : rows.filter((_, i) => within(lines[i] ?? [], brushes))), [rows, lines, brushes])
  const under = rows[at]
  if (rows.length === 0)
    return (
      <>
        <Space of={s} paths={paths} />
        <Empty title={s.status === 'running' ? 'No trial has begun yet' : 'No trial was begun'}>{s.status === 'running' && <p>They appear here by themselves.</p>}</Empty>
      </>
    )
  return (
    <>
      <Card title={`Settings and ${s.metric}`} aside={<span className="dim hint">drag along an axis to pick trials; click a line for its run</span>}>
        <Parallel rows={rows} axes={axes} lines={lines} ranks={ranks} brushes={brushes} brush={brush} pointed={at < 0 ? null : at} point={(i) => point(i === null ? null : (rows[i]?.run ?? null))} best={s.best} />
        <p className="parallel-said num">
          {under ? (
            <>
              <Link href={`/run/${under.run}`}>trial {under.number}</Link> <b>{formatValue(under.value)}</b> <span className="dim">{paths.map((p) => `${p} ${JSON.stringify(under.settings[p])}`).join(' · ')}</span>
            </>
          ) : (
            <span className="dim">{s.best ? 'The best stands out; the stronger a line’s colour, the better.' : 'No trial has been compared yet.'}</span>
          )}
        </p>
      </Card>
      {s.rungs.length > 1 && <Rungs rows={rows} rungs={s.rungs} metric={s.metric} direction={s.direction} pointed={at < 0 ? null : at} best={s.best} />}
      <div className="filters">
        <h2>Trials</h2>
        {brushes.size > 0 && (
          <>
            <span className="num dim">
              {formatInteger(chosen.length)} of {formatInteger(rows.length)}
            </span>
            <button type="button" className="chip" onClick={() => brush(none)}>
              {[...brushes.keys()].map((i) => axes[i]?.name).join(', ')} ✕
            </button>
          </>
        )}
      </div>
      <TrialsTable rows={chosen} paths={paths} metric={s.metric} direction={s.direction} best={s.best} halving={s.rungs.length > 1} point={point} />
      <div className="below">
        <Space of={s} paths={paths} />
      </div>
    </>
  )
}

// From 0, the worst, to 1, the best.
function rankOf(values: readonly (number | null)[], direction: string): (number | null)[] {
  const order = values.map((v, i) => [v, i] as const).filter(([v]) => v !== null && Number.isFinite(v))
  const better = byValue(direction)
  order.sort((a, b) => better(b[0], a[0]))
  const ranks: (number | null)[] = values.map(() => null)
  order.forEach(([, i], rank) => (ranks[i] = order.length > 1 ? rank / (order.length - 1) : 1))
  return ranks
}

function Space({ of: s, paths }: { of: Sweep; paths: readonly string[] }) {
  const space = s.space as Record<string, unknown>
  return (
    <Card title="What is tried">
      <div className="named">
        <Facts
          facts={[
            ...paths.map((p): [string, string] => [p, rangeWords(space[p])]),
            ['method', s.method === 'asha' ? 'asha: random ones, of which the best go on' : s.method === 'grid' ? 'grid: all combinations' : 'random ones'],
            ['compared after', s.rungs.length > 1 ? `${s.rungs.map((r) => formatInteger(r)).join(', ')} steps` : ''],
          ]}
        />
      </div>
    </Card>
  )
}
