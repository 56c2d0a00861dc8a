import { Link } from 'wouter'
import { useNow } from '../format/useNow'
import type { FiringPartsFragment } from '../gen/graphql'
import { Ago } from '../parts/Ago'
import { RunLink } from '../parts/RunLink'
import { actionOf, cameOf, cameWords, verbOf } from './words'
import { useNames, type Names } from '../parts/useNames'

// What rules did, newest first: of one rule, or of all with their names; or what one would have done, had it been `tried`.
export function Firings({ of, rules = false, tried = false }: { of: readonly FiringPartsFragment[]; rules?: boolean; tried?: boolean }) {
  const names = useNames(of.flatMap((f) => [f.run, f.made, ...(rules ? [`rule:${f.rule}`] : [])]))
  const now = useNow(10_000)
  return (
    <div className="table-wrap">
      <table className="firings stacked">
        <thead>
          <tr>
            <th scope="col">When</th>
            {rules && <th scope="col">Rule</th>}
            <th scope="col">About</th>
            <th scope="col">Action</th>
            <th scope="col">{tried ? 'Expected' : 'Outcome'}</th>
            <th scope="col">{tried ? 'What would come of it' : 'What came of it'}</th>
          </tr>
        </thead>
        <tbody>
          {of.map((f, i) => {
            const { about } = actionOf(f.then)
            return (
              <tr key={f.id || `${f.rule}${f.seq}${i}`}>
                <td className="num dim">
                  <Ago at={f.at} now={now} />
                </td>
                {rules && <td data-name="rule">{names.rules.has(f.rule) ? <Link href={`/rule/${f.rule}`}>{names.rules.get(f.rule)}</Link> : <span className="dim" title={f.rule}>{f.ruleName ? `${f.ruleName}, removed` : 'a removed rule'}</span>}</td>}
                <td data-name="about">{f.run ? <RunOf id={f.run} names={names} /> : <span className="dim">–</span>}</td>
                <td title={f.then === null ? undefined : JSON.stringify(f.then, null, 2)}>
                  {verbOf(f.action)} {about && <span className="dim">{about}</span>}
                </td>
                <td>
                  {tried ? <span className={`came came-${f.outcome}`}>{expected[f.outcome] ?? f.outcome}</span> : <Came of={f} />}
                </td>
                <td className="wrap">
                  {f.made && (
                    <>
                      started <RunOf id={f.made} names={names} />{' '}
                    </>
                  )}
                  {f.result && f.result !== 'the message was delivered' && <span className="dim">{f.result}</span>}
                </td>
              </tr>
            )
          })}
        </tbody>
      </table>
    </div>
  )
}

const expected: Record<string, string> = { done: 'would be done', needless: 'needless', refused: 'would be refused', failed: 'would fail' }

export function Came({ of }: { of: { action: string; outcome: string; result: string } }) {
  const came = cameOf(of)
  return <span className={`came came-${came.replace(' ', '-')}`}>{cameWords[came] ?? came}</span>
}

function RunOf({ id, names }: { id: string; names: Names }) {
  const run = names.runs.get(id)
  return run ? <RunLink run={run} status={run.status !== 'FINISHED'} /> : <Link href={`/run/${id}`}>{id}</Link>
}
