import { Link } from 'wouter'
import { decode, formatInteger, formatValue } from '../format/number'
import { useNow } from '../format/useNow'
import { SweepsDocument } from '../gen/graphql'
import { useAsk } from '../link/useAsk'
import { useNudge } from '../link/useNudge'
import { Ago } from '../parts/Ago'
import { Command } from '../parts/Command'
import { RunLink } from '../parts/RunLink'
import { Empty, Loading, Trouble } from '../parts/State'
import { useTitle } from '../parts/title'
import { useNames } from '../parts/useNames'
import { pathsOf } from './trials'

export function SweepsPage() {
  useTitle('Sweeps')
  const nudge = useNudge(['sweep.started', 'trial.scored', 'sweep.ended'])
  const { data, error, again } = useAsk(SweepsDocument, {}, { nudge, every: 5_000 })
  const sweeps = data?.sweeps
  const names = useNames(sweeps?.flatMap((s) => [s.experiment ?? '', s.best ?? '']) ?? [])
  const now = useNow(10_000)
  if (!sweeps) return error ? <Trouble error={error} again={again} /> : <Loading what="sweeps" rows={6} />
  if (sweeps.length === 0)
    return (
      <Empty title="No sweeps yet">
        <p>A sweep tries configurations: runs that differ in some settings. It starts and stops them by itself, and tells which is best.</p>
        <Command>millrace sweep start rates.json --follow</Command>
        <p>
          where rates.json has the dataset, the settings’ ranges and the method: <Command>millrace sweep start --help</Command>
        </p>
      </Empty>
    )
  return (
    <>
      <h1 className="page-title">
        Sweeps <span className="dim num">{formatInteger(sweeps.length)}</span>
      </h1>
      {error && <Trouble error={error} again={again} />}
      <div className="table-wrap">
        <table className="stacked">
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col">Status</th>
              <th scope="col">Method</th>
              <th scope="col">Tries</th>
              <th scope="col" className="right">Trials</th>
              <th scope="col">By</th>
              <th scope="col" className="right">Best</th>
              <th scope="col">Best run</th>
              <th scope="col">Experiment</th>
              <th scope="col" className="right">Started</th>
            </tr>
          </thead>
          <tbody>
            {sweeps.map((s) => {
              const best = s.best === null ? undefined : names.runs.get(s.best)
              return (
                <tr key={s.id}>
                  <td>
                    <Link href={`/sweep/${s.id}`} className="name">
                      {s.name}
                    </Link>
                  </td>
                  <td>
                    <SweepStatus status={s.status} />
                  </td>
                  <td>{s.method}</td>
                  <td className="wrap dim" data-name="over">{pathsOf(s.space).join(', ')}</td>
                  <td className="right num" title="at most" data-name="trials">
                    {formatInteger(s.maxRuns)}
                  </td>
                  <td className="dim">
                    {s.direction === 'max' ? 'highest' : 'lowest'} {s.metric}
                  </td>
                  <td className="right num" data-name="best">{s.bestValue === null ? <span className="dim">–</span> : formatValue(decode(s.bestValue))}</td>
                  <td>{best && <RunLink run={best} />}</td>
                  <td data-name="of">{s.experiment && <Link href={`/experiment/${encodeURIComponent(s.experiment)}`}>{names.experiments.get(s.experiment) ?? s.experiment}</Link>}</td>
                  <td className="right num">
                    <Ago at={s.startedAt} now={now} />
                  </td>
                </tr>
              )
            })}
          </tbody>
        </table>
      </div>
    </>
  )
}

// As a run's status looks: a word with a dot.
export const SweepStatus = ({ status }: { status: string }) => (
  <span className={`status status-${status}`}>
    <i aria-hidden="true" />
    {status}
  </span>
)
