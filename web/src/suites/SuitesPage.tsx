import { Link } from 'wouter'
import { formatInteger } from '../format/number'
import { useNow } from '../format/useNow'
import { SuitesDocument } from '../gen/graphql'
import { useAsk } from '../link/useAsk'
import { useNudge } from '../link/useNudge'
import { Ago } from '../parts/Ago'
import { Command, Digest } from '../parts/Command'
import { Loading, Trouble } from '../parts/State'
import { useTitle } from '../parts/title'
import { asksFor } from './policy'
import { suiteAddress } from './SuiteLink'

export function SuitesPage() {
  useTitle('Suites')
  const nudge = useNudge(['suite.saved', 'experiment.created', 'experiment.updated'])
  const { data, error, again } = useAsk(SuitesDocument, {}, { nudge })
  const now = useNow(10_000)
  if (!data) return error ? <Trouble error={error} again={again} /> : <Loading what="suites" rows={6} />
  // The newest version of a name stands first.
  const suites = [...data.suites].sort((a, b) => a.name.localeCompare(b.name) || b.version - a.version)
  const newest = new Map<string, number>()
  for (const s of suites) newest.set(s.name, Math.max(s.version, newest.get(s.name) ?? 0))
  return (
    <>
      <h1 className="page-title">
        Suites <span className="dim num">{formatInteger(suites.length)}</span>
      </h1>
      <div className="table-wrap">
        <table className="stacked">
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col" className="right">Version</th>
              <th scope="col">Tasks</th>
              <th scope="col">Digest</th>
              <th scope="col">Asked for by</th>
              <th scope="col">From</th>
              <th scope="col" className="right">Saved</th>
            </tr>
          </thead>
          <tbody>
            {suites.map((s) => {
              const users = data.experiments.nodes.filter((e) => asksFor(e.suites, s.name, s.version, newest.get(s.name) ?? 0))
              return (
                <tr key={`${s.name}@${s.version}`}>
                  <td>
                    <Link href={suiteAddress(s.name, s.version)} className="name">
                      {s.name}
                    </Link>
                  </td>
                  <td className="right num" data-name="version">
                    {s.version}
                    {s.version === newest.get(s.name) ? '' : <span className="dim"> older</span>}
                  </td>
                  <td className="wrap dim">{s.tasks.length > 0 ? s.tasks.join(', ') : 'its definition is gone from storage'}</td>
                  <td>
                    <Digest digest={s.digest} />
                  </td>
                  <td className="wrap" data-name="asked for by">
                    {users.map((e, i) => (
                      <span key={e.id}>
                        {i > 0 && ', '}
                        <Link href={`/experiment/${encodeURIComponent(e.id)}`}>{e.name}</Link>
                      </span>
                    ))}
                  </td>
                  <td className="dim" data-name="from">{s.builtIn ? 'the program' : s.by || 'somebody'}</td>
                  <td className="right num">
                    {s.savedAt && <Ago at={s.savedAt} now={now} />}
                  </td>
                </tr>
              )
            })}
          </tbody>
        </table>
      </div>
      <p className="below dim">
        A suite of one’s own is added with <Command>millrace suite add mine.json --file TASK=data.jsonl</Command>
      </p>
    </>
  )
}
