import { Link } from 'wouter'
import { decode, formatDollars, formatInteger, formatJoules, formatPercent, formatValue } from '../format/number'
import { formatSeconds } from '../format/time'
import { ExperimentDocument, ExperimentSweepsDocument } from '../gen/graphql'
import { useAsk } from '../link/useAsk'
import { Figure } from '../parts/Facts'
import { RunLink } from '../parts/RunLink'
import { Empty, Loading, Trouble } from '../parts/State'
import { useTitle } from '../parts/title'
import { RunsView } from '../runs/RunsView'
import { policyWords } from '../suites/policy'
import { SuiteNamed } from '../suites/SuiteLink'
import { BudgetBar } from './ExperimentsPage'
import { bestValue, objectiveWords } from './objective'

export function ExperimentPage({ id }: { id: string }) {
  const { data, error, again } = useAsk(ExperimentDocument, { id })
  const swept = useAsk(ExperimentSweepsDocument, {}).data
  const e = data?.experiment
  useTitle(e?.name || 'Experiment')
  if (data && !e)
    return (
      <Empty title="There is no such experiment">
        <Link href="/experiments">All experiments</Link>
      </Empty>
    )
  if (!e) return error ? <Trouble error={error} again={again} /> : <Loading what="experiment" rows={8} />
  const sweeps = swept?.sweeps.filter((s) => s.experiment === e.id) ?? []
  const joules = decode(e.cost.joules)
  const budget = decode(e.budget?.dollars)
  return (
    <article>
      <header className="run-head">
        <div className="run-title">
          <h1>{e.name}</h1>
          <span className="kind">experiment</span>
          {e.archived && <span className="dim">archived</span>}
        </div>
        {e.note && <p className="note">{e.note}</p>}
        <div className="figures">
          <Figure name="objective" value={<span className="figure-text">{objectiveWords(e.objective)}</span>} />
          {e.best && <Figure name="best run" value={<RunLink run={e.best} />} note={formatValue(bestValue(e))} />}
          <Figure name="runs" value={formatInteger(e.runs.totalCount)} />
          <Figure name="cost" value={formatDollars(decode(e.cost.dollars))} note={budget !== null && budget > 0 ? <BudgetBar spent={decode(e.cost.dollars)} of={budget} /> : undefined} />
          <Figure name="device time" value={formatSeconds(decode(e.cost.deviceSeconds))} note={joules !== null ? formatJoules(joules) : undefined} />
          {e.budgetLeft && (
            <Figure
              name="budget left"
              value={e.budgetLeft.dollars !== null ? formatDollars(decode(e.budgetLeft.dollars)) : formatSeconds(Math.max(0, decode(e.budgetLeft.deviceSeconds) ?? 0))}
              note={<span className={decode(e.budgetLeft.spent) >= 1 ? 'warn' : 'dim'}>{formatPercent(100 * decode(e.budgetLeft.spent))} spent</span>}
            />
          )}
          {e.cost.devices.length > 0 && (
            <Figure name="devices" value={formatDollars(decode(e.cost.deviceDollars))} note={`energy ${formatDollars(decode(e.cost.energyDollars))}, storage ${formatDollars(decode(e.cost.storageDollars))}`} />
          )}
          {e.suites.length > 0 && (
            <Figure
              name="suites"
              value={
                <span className="figure-text">
                  {e.suites.map((s, i) => (
                    <span key={s}>
                      {i > 0 && ', '}
                      <SuiteNamed text={s} />
                    </span>
                  ))}
                </span>
              }
              note={e.evaluation ? policyWords(e.evaluation) : undefined}
            />
          )}
          {sweeps.length > 0 && (
            <Figure
              name="sweeps"
              value={
                <span className="figure-text">
                  {sweeps.slice(0, 5).map((s, i) => (
                    <span key={s.id}>
                      {i > 0 && ', '}
                      <Link href={`/sweep/${s.id}`}>{s.name}</Link>
                    </span>
                  ))}
                </span>
              }
              note={sweeps.length > 5 ? `and ${sweeps.length - 5} more` : undefined}
            />
          )}
          {e.aliases.map((a) => (
            <Figure key={a.name} name={a.name} value={a.run ? <RunLink run={a.run} /> : '–'} note={a.checkpoint ? `step ${formatInteger(a.checkpoint.step)}` : undefined} />
          ))}
        </div>
      </header>
      <RunsView experiment={e.id} />
    </article>
  )
}
