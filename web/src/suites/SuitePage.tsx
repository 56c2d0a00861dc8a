import { Link } from 'wouter'
import { answersOf } from '../answers/asked'
import { formatBytes, formatInteger } from '../format/number'
import { formatTime } from '../format/time'
import { useNow } from '../format/useNow'
import { SuiteDocument, SuiteJudgesDocument, type SuiteQuery } from '../gen/graphql'
import { useAsk } from '../link/useAsk'
import { useNudge } from '../link/useNudge'
import { Ago } from '../parts/Ago'
import { Card } from '../parts/Card'
import { Command, Copy, Digest } from '../parts/Command'
import { RunLink } from '../parts/RunLink'
import { Empty, Loading, Trouble } from '../parts/State'
import { useTitle } from '../parts/title'
import { asksFor, policyWords, suitesOf } from './policy'
import { suiteAddress } from './SuiteLink'
import { tasksIn, type Task } from './tasks'

type Suite = NonNullable<SuiteQuery['suite']>

// One version of a suite: what it asks, of which files, who asks for it and what it has judged.
export function SuitePage({ name, version }: { name: string; version: number | null }) {
  const { data, error, again } = useAsk(SuiteDocument, { name, version })
  const s = data?.suite
  useTitle(s ? `Suite ${s.name}@${s.version}` : 'Suite')
  if (!data) return error ? <Trouble error={error} again={again} /> : <Loading what="suite" rows={8} />
  if (!s)
    return (
      <Empty title="There is no such suite">
        <p>
          <Link href="/suites">All suites</Link>
        </p>
        <Command>millrace suite list</Command>
      </Empty>
    )
  const versions = [...new Set(data.suites.map((v) => v.version))].sort((a, b) => b - a)
  const users = data.experiments.nodes.filter((e) => asksFor(suitesOf(e), s.name, s.version, versions[0] ?? s.version))
  return (
    <article>
      <header className="run-head">
        <div className="run-title">
          <h1>
            {s.name}
            <span className="dim">@{s.version}</span>
          </h1>
          <span className="kind">suite</span>
        </div>
        <p className="run-line">
          <span className="nowrap">
            digest <Digest digest={s.digest} />
          </span>
          <span className="dot">·</span>
          <span>{s.builtIn ? 'comes with the program' : `saved ${s.savedAt ? formatTime(s.savedAt) : ''}${s.by && ` by ${s.by}`}`}</span>
          {versions.length > 1 && (
            <>
              <span className="dot">·</span>
              <span>
                versions{' '}
                {versions.map((v) => (
                  <span key={v}>{v === s.version ? <b>{v}</b> : <Link href={suiteAddress(s.name, v)}>{v}</Link>} </span>
                ))}
              </span>
            </>
          )}
        </p>
      </header>
      <Tasks of={s} />
      <div className="columns">
        <Card title="Asked for by" aside={<span className="dim num">{formatInteger(users.length)}</span>}>
          {users.length === 0 ? (
            <>
              <p className="dim">No experiment asks for it. A run does, or an experiment:</p>
              <Command>{`millrace train DATASET --suites ${s.name}@${s.version}`}</Command>
            </>
          ) : (
            <ul className="links">
              {users.map((e) => (
                <li key={e.id}>
                  <Link href={`/experiment/${encodeURIComponent(e.id)}`}>{e.name}</Link> <span className="dim">{policyWords(e.evaluation)}</span>
                </li>
              ))}
            </ul>
          )}
        </Card>
        <Judges digest={s.digest} suite={`${s.name}@${s.version}`} />
      </div>
      <Card title="Definition" aside={<Copy text={JSON.stringify(s.definition, null, 2)} label="Copy as JSON" />}>
        <details>
          <summary>Every task written out</summary>
          <pre className="json" tabIndex={0}>
            {JSON.stringify(s.definition, null, 2)}
          </pre>
        </details>
      </Card>
    </article>
  )
}

function Tasks({ of }: { of: Suite }) {
  const tasks = tasksIn(of.definition)
  if (tasks.length === 0)
    return (
      <Card title="Tasks">
        <p className="dim">{of.tasks.join(', ') || 'Its definition is gone from storage.'}</p>
      </Card>
    )
  return (
    <Card title="Tasks" flush aside={<span className="dim num">{tasks.length}</span>}>
      <div className="table-wrap">
        <table>
          <thead>
            <tr>
              <th scope="col">task</th>
              <th scope="col">kind</th>
              <th scope="col">metrics</th>
              <th scope="col" className="right">few-shot</th>
              <th scope="col">reads</th>
              <th scope="col">file</th>
            </tr>
          </thead>
          <tbody>
            {tasks.map((t) => (
              <tr key={t.name}>
                <th scope="row">
                  {t.name}
                  {t.version > 0 && <span className="dim">@{t.version}</span>}
                </th>
                <td>{t.kind.replaceAll('_', ' ')}</td>
                <td className="wrap dim">{t.metrics.join(', ') || 'as its kind has them'}</td>
                <td className="right num">{t.fewShot}</td>
                <td className="dim">{t.reads}</td>
                <td>
                  <Files of={of} task={t} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Card>
  )
}

function Files({ of, task }: { of: Suite; task: Task }) {
  const files = of.data.filter((d) => d.task === task.name)
  if (files.length > 0)
    return files.map((f) => (
      <div key={f.role + f.digest}>
        {f.role !== 'data' && <span className="dim">{f.role.replaceAll('_', '-')} </span>}
        {f.from} <span className="dim num">{formatBytes(f.bytes)}</span> <Digest digest={f.digest} />
      </div>
    ))
  if (task.digest) return <Digest digest={task.digest} />
  return task.needsFile ? (
    <span className="missing" title={`millrace suite add ${of.name} --version ${of.version + 1} --file ${task.name}=FILE`}>
      not pinned: fails with no_data
    </span>
  ) : (
    <span className="dim">none</span>
  )
}

// What has been judged by exactly this version.
function Judges({ digest, suite }: { digest: string; suite: string }) {
  const nudge = useNudge(['evaluation.completed'])
  const { data, error, again } = useAsk(SuiteJudgesDocument, { where: `kind = evaluate and config.suite_digest = ${JSON.stringify(digest)}` }, { nudge })
  const now = useNow(10_000)
  const page = data?.runs
  return (
    <Card title="Evaluations" aside={page && <span className="dim num">{formatInteger(page.totalCount)}</span>}>
      {!page && (error ? <Trouble error={error} again={again} /> : <Loading what="evaluations" rows={3} />)}
      {page?.nodes.length === 0 && (
        <>
          <p className="dim">Nothing has been judged by it yet.</p>
          <Command>{`millrace eval RUN --suite ${suite}`}</Command>
        </>
      )}
      {page && page.nodes.length > 0 && (
        <ul className="links">
          {page.nodes.map((r) => (
            <li key={r.id}>
              <span>
                <RunLink run={{ ...r, name: r.branch ? `${r.branch.run?.name || r.branch.runId} at step ${formatInteger(r.branch.step)}` : r.name }} status />{' '}
                {r.status === 'FINISHED' && (
                  <Link href={answersOf(r.id)} className="nowrap">
                    answers
                  </Link>
                )}
              </span>
              <Ago className="dim num nowrap" at={r.createdAt} now={now} />
            </li>
          ))}
        </ul>
      )}
      {page && page.totalCount > page.nodes.length && (
        <p>
          <Link href={`/?q=${encodeURIComponent(`kind = evaluate and config.suite_digest = ${JSON.stringify(digest)}`)}`}>All {formatInteger(page.totalCount)}</Link>
        </p>
      )}
    </Card>
  )
}
