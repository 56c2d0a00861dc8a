import { useState } from 'react'
import { Link } from 'wouter'
import { formatInteger } from '../format/number'
import { useNow } from '../format/useNow'
import { JudgeContestsDocument } from '../gen/graphql'
import { useAsk } from '../link/useAsk'
import { Ago } from '../parts/Ago'
import { Command } from '../parts/Command'
import { Pages } from '../parts/Pages'
import { Empty, Loading, Trouble } from '../parts/State'
import { useTitle } from '../parts/title'

const pageSize = 50

// Contests to judge in. It does not say who takes part: that is on the page of results.
export function JudgePage() {
  useTitle('Judge')
  const [cursors, setCursors] = useState<string[]>([])
  const { data, error, again } = useAsk(JudgeContestsDocument, { first: pageSize, after: cursors.at(-1) ?? null })
  const now = useNow(10_000)
  const page = data?.contests
  if (!page) return error ? <Trouble error={error} again={again} /> : <Loading what="contests" rows={6} />
  if (page.nodes.length === 0)
    return (
      <Empty title="No contest yet">
        <p>In a contest people and models judge what checkpoints answered. It is opened between evaluations of one suite.</p>
        <Command>millrace contest open answers --evaluations RUN,RUN --task samples</Command>
      </Empty>
    )
  return (
    <>
      <h1 className="page-title">
        Contests <span className="dim num">{formatInteger(page.totalCount)}</span>
      </h1>
      <div className="table-wrap">
        <table>
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col">Asked</th>
              <th scope="col">Suite</th>
              <th scope="col" className="right">Prompts</th>
              <th scope="col" className="right">People’s votes</th>
              <th scope="col" className="right">Models’ votes</th>
              <th scope="col">Results</th>
              <th scope="col" className="right">Opened</th>
            </tr>
          </thead>
          <tbody>
            {page.nodes.map((c) => (
              <tr key={c.id}>
                <td>
                  <Link href={c.closedAt ? `/judge/${c.id}/results` : `/judge/${c.id}`} className="name">
                    {c.name}
                  </Link>
                  {c.closedAt && <span className="dim"> closed</span>}
                </td>
                <td>{c.mode === 'PAIR' ? 'which is better' : 'how good, 1 to 5'}</td>
                <td className="dim">
                  {c.suite}
                  {c.task && ` / ${c.task}`}
                </td>
                <td className="right num" title={c.missing > 0 ? `${formatInteger(c.missing)} left out: not every entry has an answer` : undefined}>
                  {formatInteger(c.items)}
                </td>
                <td className="right num">{formatInteger(c.humanVotes)}</td>
                <td className="right num">{formatInteger(c.modelVotes)}</td>
                <td>
                  <Link href={`/judge/${c.id}/results`}>Results</Link>
                </td>
                <td className="right num">
                  <Ago at={c.openedAt} now={now} />
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
