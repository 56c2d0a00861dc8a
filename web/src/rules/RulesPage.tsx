import { useState } from 'react'
import { Link } from 'wouter'
import { formatInteger } from '../format/number'
import { useNow } from '../format/useNow'
import { FiringsDocument, RulesDocument, SaveRuleDocument, type RulesQuery } from '../gen/graphql'
import { useAsk } from '../link/useAsk'
import { useNudge } from '../link/useNudge'
import { Ago } from '../parts/Ago'
import { Card } from '../parts/Card'
import { Command } from '../parts/Command'
import { Pages } from '../parts/Pages'
import { Empty, Loading, Trouble } from '../parts/State'
import { useTitle } from '../parts/title'
import { Refusals } from '../run/Refusals'
import { useWish } from '../run/useWish'
import { Came, Firings } from './Firings'
import { NewRule } from './NewRule'
import { useNames } from '../parts/useNames'
import { actionOf, onWords, verbOf } from './words'

const pageSize = 50

// Facts that change what is shown of rules.
export const ruleFacts = ['rule.saved', 'rule.removed', 'rule.fired', 'rule.acted', 'notification.delivered', 'notification.failed']

export function RulesPage() {
  useTitle('Rules')
  const [cursors, setCursors] = useState<string[]>([])
  const [making, setMaking] = useState(false)
  const nudge = useNudge(ruleFacts)
  const { data, error, again } = useAsk(RulesDocument, { first: pageSize, after: cursors.at(-1) ?? null }, { nudge })
  const fired = useAsk(FiringsDocument, { first: 50 }, { nudge }).data?.ruleFirings ?? []
  const page = data?.rules
  if (!page) return error ? <Trouble error={error} again={again} /> : <Loading what="rules" rows={6} />
  const make = (
    <button type="button" className="primary" aria-haspopup="dialog" onClick={() => setMaking(true)}>
      New rule…
    </button>
  )
  return (
    <>
      {page.totalCount > 0 ? (
        <>
          <div className="page-head">
            <h1 className="page-title">
              Rules <span className="dim num">{formatInteger(page.totalCount)}</span>
            </h1>
            {make}
          </div>
          {error && <Trouble error={error} again={again} />}
          <List rules={page.nodes} again={again} />
          <Pages cursors={cursors} set={setCursors} next={page.pageInfo.hasNextPage ? (page.pageInfo.endCursor ?? null) : null} size={pageSize} shown={page.nodes.length} total={page.totalCount} />
        </>
      ) : (
        <Empty title="No rules yet">
          <p>A rule does something by itself: on a fact, when an expression holds, then an action. It stops a run that has gone wrong, promotes the best model, tells you of a regression.</p>
          {make}
          <Command>millrace rule add --ready stop-on-nan</Command>
        </Empty>
      )}
      {fired.length > 0 && (
        <div className="below">
          <Card title="What rules did last" flush>
            <Firings of={fired} rules />
          </Card>
        </div>
      )}
      {making && <NewRule leave={() => setMaking(false)} />}
    </>
  )
}

function List({ rules, again }: { rules: RulesQuery['rules']['nodes']; again: () => void }) {
  const now = useNow(10_000)
  const names = useNames(rules.map((r) => r.experimentId))
  const { busy, refusals, wish } = useWish()
  const turn = async (id: string, enabled: boolean) => {
    await wish(SaveRuleDocument, { input: { id, rule: { enabled } } }, (d) => d.saveRule)
    again()
  }
  return (
    <>
      <Refusals of={refusals} />
      <div className="table-wrap">
        <table className="rules stacked">
          <thead>
            <tr>
              <th scope="col">Acts</th>
              <th scope="col">Name</th>
              <th scope="col">On</th>
              <th scope="col">When</th>
              <th scope="col">Then</th>
              <th scope="col">Runs of</th>
              <th scope="col" className="right">Fired</th>
              <th scope="col">Last</th>
            </tr>
          </thead>
          <tbody>
            {rules.map((r) => {
              const { action, about } = actionOf(r.then)
              const last = r.last[0]
              return (
                <tr key={r.id} className={r.enabled ? undefined : 'off'}>
                  <td>
                    <input type="checkbox" role="switch" aria-label={`${r.name} acts`} checked={r.enabled} disabled={busy} onChange={(e) => void turn(r.id, e.target.checked)} />
                  </td>
                  <td className="wrap">
                    <Link href={`/rule/${encodeURIComponent(r.id.replace(/^rule:/, ''))}`} className="name">
                      {r.name}
                    </Link>
                    {r.trouble && last?.outcome !== 'error' && (
                      <span className="rule-trouble" title={r.trouble}>
                        {' '}
                        ! could not decide lately
                      </span>
                    )}
                  </td>
                  <td data-name="on">{onWords(r)}</td>
                  <td className="expression" data-name="when">
                    <code title={r.when}>{r.when}</code>
                  </td>
                  <td className="wrap" data-name="then">
                    {verbOf(action)} {about && <span className="dim">{about}</span>}
                  </td>
                  <td data-name="runs of">{r.experimentId ? <Link href={`/experiment/${encodeURIComponent(r.experimentId)}`}>{names.experiments.get(r.experimentId) ?? r.experimentId}</Link> : <span className="dim">all</span>}</td>
                  <td className="right num" data-name="fired">
                    {formatInteger(r.firings)}
                  </td>
                  <td className="nowrap">
                    {last && (
                      <>
                        <Ago className="num dim" at={last.at} now={now} />{' '}
                        <Came of={last} />
                      </>
                    )}
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
