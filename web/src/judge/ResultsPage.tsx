import { useState } from 'react'
import { Link } from 'wouter'
import { decode, formatInteger, formatValue } from '../format/number'
import { JudgeResultsDocument, type AgreementPartsFragment, type JudgeResultsQuery } from '../gen/graphql'
import { useAsk } from '../link/useAsk'
import { Card } from '../parts/Card'
import { Facts } from '../parts/Facts'
import { RunLink } from '../parts/RunLink'
import { Empty, Loading, Trouble } from '../parts/State'
import { Choice } from '../parts/Toggle'
import { useTitle } from '../parts/title'
import { inWords } from './rater'
import { Standings } from './Standings'

const whose = ['all', 'humans', 'models'] as const
type Contest = NonNullable<JudgeResultsQuery['contest']>

// What the votes of a contest amount to. Here it says who has answered.
export function ResultsPage({ id }: { id: string }) {
  const [of, setOf] = useState<(typeof whose)[number]>('all')
  const { data, error, stale, again } = useAsk(JudgeResultsDocument, { id, of: of.toUpperCase() as 'ALL' | 'HUMANS' | 'MODELS' })
  const contest = data?.contest
  useTitle(contest ? `Results of ${contest.name}` : 'Results')
  if (!data) return error ? <Trouble error={error} again={again} /> : <Loading what="results" rows={6} />
  if (!contest)
    return (
      <Empty title="There is no such contest">
        <p>
          <Link href="/judge">All contests</Link>
        </p>
      </Empty>
    )
  const { tally } = contest
  return (
    <article className={stale ? 'table-stale' : undefined}>
      <h1 className="page-title">
        {contest.name} {contest.closedAt ? <span className="dim">closed</span> : <Link href={`/judge/${contest.id}`}>Judge</Link>}
      </h1>
      {error && <Trouble error={error} again={again} />}
      <Card title={contest.mode === 'PAIR' ? 'Ratings' : 'Scores'} flush aside={<Choice label="Whose votes count" value={of} of={whose} set={setOf} />}>
        <Standings standings={tally.standings} mode={contest.mode} />
      </Card>
      <div className="columns columns-even">
        {contest.mode === 'PAIR' && <Matrix contest={contest} />}
        <Card title="Contest">
          <Facts
            facts={[
              ['Suite', contest.task ? `${contest.suite} / ${contest.task}` : contest.suite],
              ['Prompts', `${formatInteger(contest.items)}${contest.missing > 0 ? `, ${formatInteger(contest.missing)} left out: not every entry has an answer` : ''}`],
              ['Questions', `${formatInteger(tally.questions)}, ${formatInteger(tally.begun)} begun, ${formatInteger(tally.done)} answered by ${formatInteger(contest.overlap)} people or more`],
              ['Votes', `${formatInteger(contest.humanVotes)} of people, ${formatInteger(contest.modelVotes)} of models`],
              ['People agree', tally.people && <Agreed with={tally.people} />],
              ['Entries', <span key="e">{contest.entries.map((e) => <div key={e.label}>{e.label} {e.run && <RunLink run={e.run} />}</div>)}</span>],
            ]}
          />
        </Card>
      </div>
      <Raters contest={contest} />
    </article>
  )
}

function Agreed({ with: a }: { with: AgreementPartsFragment }) {
  const kappa = decode(a.kappa)
  return (
    <span title={`${a.kind === 'cohen' ? 'Cohen’s' : 'Fleiss’'} κ of ${a.raters} raters`}>
      κ {kappa === null ? '–' : kappa.toFixed(2)} <span className="dim">{inWords(kappa)}; {Math.round(100 * decode(a.same))} % the same over {formatInteger(a.items)} questions</span>
    </span>
  )
}

// Of each row, the share of its matches with each column that it won; a tie is half.
function Matrix({ contest }: { contest: Contest }) {
  const order = contest.tally.standings.map((s) => s.entry)
  const met = new Map(contest.tally.matches.map((m) => [`${m.entry} ${m.against}`, m]))
  const label = (entry: number) => contest.entries[entry]?.label ?? String(entry)
  return (
    <Card title="Against each other" flush aside={<span className="dim">share won by the row; a tie is half</span>}>
      <div className="table-wrap">
        <table className="matrix">
          <thead>
            <tr>
              <td />
              {order.map((e) => (
                <th key={e} scope="col">
                  {label(e)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {order.map((row) => (
              <tr key={row}>
                <th scope="row">{label(row)}</th>
                {order.map((column) => {
                  const m = met.get(`${row} ${column}`)
                  if (!m) return <td key={column} className="dim right">–</td>
                  const n = m.won + m.lost + m.tied
                  const share = (m.won + m.tied / 2) / n
                  return (
                    <td key={column} className="right num" style={{ background: `color-mix(in srgb, var(--good-soft) ${Math.round(200 * Math.max(0, share - 0.5))}%, transparent)` }} title={`${m.won} won, ${m.lost} lost, ${m.tied} tied`}>
                      {Math.round(100 * share)} % <span className="dim">of {formatInteger(n)}</span>
                    </td>
                  )
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Card>
  )
}

function Raters({ contest }: { contest: Contest }) {
  if (contest.tally.raters.length === 0)
    return (
      <Card title="Raters">
        <p className="dim">Nobody has voted yet.</p>
      </Card>
    )
  const share = (v: number | string | null | undefined) => {
    const x = decode(v)
    return x === null ? '–' : `${formatValue(100 * x, 3)} %`
  }
  return (
    <Card title="Raters" flush aside={<span className="dim">without bias the first shown wins half of the time</span>}>
      <div className="table-wrap">
        <table>
          <thead>
            <tr>
              <th scope="col">Rater</th>
              <th scope="col" className="right">Votes</th>
              <th scope="col" className="right">Undecided</th>
              <th scope="col" className="right">First shown wins</th>
              <th scope="col" className="right">Turns with the order</th>
              <th scope="col">Agrees with people</th>
            </tr>
          </thead>
          <tbody>
            {contest.tally.raters.map((r) => (
              <tr key={`${r.name} ${r.run}`}>
                <td>
                  {r.name} {r.run ? <Link href={`/run/${r.run}`} className="dim">model</Link> : <span className="dim">person</span>}
                </td>
                <td className="right num">{formatInteger(r.votes)}</td>
                <td className="right num">{formatInteger(r.undecided)}</td>
                <td className="right num">{share(r.firstShare)}</td>
                <td className="right num">
                  {share(r.turnedShare)} {r.bothOrders > 0 && <span className="dim">of {formatInteger(r.bothOrders)}</span>}
                </td>
                <td>{r.humans ? <Agreed with={r.humans} /> : <span className="dim">–</span>}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Card>
  )
}
