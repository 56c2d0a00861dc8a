import { useState } from 'react'
import { Link } from 'wouter'
import { decode, formatDollars, formatInteger, formatValue } from '../format/number'
import { useNow } from '../format/useNow'
import { ExperimentsDocument } from '../gen/graphql'
import { useAsk } from '../link/useAsk'
import { Ago } from '../parts/Ago'
import { Command } from '../parts/Command'
import { Pages } from '../parts/Pages'
import { RunLink } from '../parts/RunLink'
import { Empty, Loading, Trouble } from '../parts/State'
import { useTitle } from '../parts/title'
import { bestValue, objectiveWords } from './objective'

const pageSize = 50

export function ExperimentsPage() {
  useTitle('Experiments')
  const [cursors, setCursors] = useState<string[]>([])
  const { data, error, again } = useAsk(ExperimentsDocument, { first: pageSize, after: cursors.at(-1) ?? null })
  const now = useNow(10_000)
  const page = data?.experiments
  if (!page) return error ? <Trouble error={error} again={again} /> : <Loading what="experiments" rows={6} />
  if (page.nodes.length === 0)
    return (
      <Empty title="No experiments yet">
        <p>An experiment is a question with an objective; it groups runs. The first run that names one opens it.</p>
        <Command>millrace train --experiment first</Command>
      </Empty>
    )
  return (
    <>
      <h1 className="page-title">
        Experiments <span className="dim num">{formatInteger(page.totalCount)}</span>
      </h1>
      <div className="table-wrap">
        <table>
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col">Objective</th>
              <th scope="col">Best run</th>
              <th scope="col" className="right">Best value</th>
              <th scope="col" className="right">Runs</th>
              <th scope="col" className="right">Cost</th>
              <th scope="col">Budget</th>
              <th scope="col" className="right">Opened</th>
            </tr>
          </thead>
          <tbody>
            {page.nodes.map((e) => (
              <tr key={e.id}>
                <td>
                  <Link href={`/experiment/${encodeURIComponent(e.id)}`} className="name">
                    {e.name}
                  </Link>
                  {e.archived && <span className="dim"> archived</span>}
                </td>
                <td className="dim">{objectiveWords(e.objective)}</td>
                <td>{e.best && <RunLink run={e.best} />}</td>
                <td className="right num">{formatValue(bestValue(e))}</td>
                <td className="right num">{formatInteger(e.runs.totalCount)}</td>
                <td className="right num">{formatDollars(decode(e.cost.dollars))}</td>
                <td>{e.budget && decode(e.budget.dollars) > 0 ? <BudgetBar spent={decode(e.cost.dollars)} of={decode(e.budget.dollars)} /> : <span className="dim">none</span>}</td>
                <td className="right num">
                  <Ago at={e.createdAt} now={now} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <Pages cursors={cursors} set={setCursors} next={page.pageInfo.hasNextPage ? (page.pageInfo.endCursor ?? null) : null} size={pageSize} shown={page.nodes.length} total={page.totalCount} />
    </>
  )
}

export function BudgetBar({ spent, of }: { spent: number; of: number }) {
  const share = Math.min(1, spent / of)
  return (
    <span className="budget">
      <span className={spent >= of ? 'bar bar-over' : 'bar'} role="meter" aria-label="Budget spent" aria-valuemin={0} aria-valuemax={of} aria-valuenow={spent}>
        <i style={{ width: `${share * 100}%` }} />
      </span>
      <span className="dim num">of {formatDollars(of)}</span>
    </span>
  )
}
