import { Link } from 'wouter'
import { formatBytes, formatCount, formatInteger, formatPercent } from '../format/number'
import { formatTime } from '../format/time'
import { DatasetDocument } from '../gen/graphql'
import { useAsk } from '../link/useAsk'
import { Card } from '../parts/Card'
import { Command, Digest } from '../parts/Command'
import { Facts, Figure } from '../parts/Facts'
import { RunLink } from '../parts/RunLink'
import { Empty, Loading, Trouble } from '../parts/State'
import { useTitle } from '../parts/title'

export function DatasetPage({ id }: { id: string }) {
  const { data, error, again } = useAsk(DatasetDocument, { id })
  const d = data?.dataset
  useTitle(d?.name || 'Dataset')
  if (data && !d)
    return (
      <Empty title="There is no such dataset">
        <Link href="/datasets">All datasets</Link>
      </Empty>
    )
  if (!d) return error ? <Trouble error={error} again={again} /> : <Loading what="dataset" rows={8} />
  const kept = d.splits.reduce((n, s) => n + s.documents, 0)
  const dropped = d.dropped.reduce((n, r) => n + r.documents, 0)
  const total = kept + dropped
  return (
    <article>
      <header className="run-head">
        <div className="run-title">
          <h1>{d.name || 'Dataset'}</h1>
          <span className="kind kind-curate">dataset</span>
          <Digest digest={d.id} />
        </div>
        <div className="figures">
          <Figure name="tokens" value={formatCount(d.splits.reduce((n, s) => n + s.tokens, 0))} />
          <Figure name="documents" value={formatCount(kept)} note={total > 0 && dropped > 0 ? `${formatPercent((kept / total) * 100)} of what was read` : undefined} />
          <Figure name="vocabulary" value={formatInteger(d.vocabSize)} />
          <Figure name="stored" value={formatBytes(d.bytes)} />
        </div>
      </header>
      <div className="columns">
        <Card title="Splits" flush>
          <div className="table-wrap">
            <table>
              <thead>
                <tr>
                  <th scope="col">split</th>
                  <th scope="col" className="right">tokens</th>
                  <th scope="col" className="right">documents</th>
                  <th scope="col" className="right">text</th>
                  <th scope="col" className="right">bytes/token</th>
                  <th scope="col" className="right">shards</th>
                </tr>
              </thead>
              <tbody>
                {d.splits.map((s) => (
                  <tr key={s.name}>
                    <th scope="row">{s.name}</th>
                    <td className="right num">{formatInteger(s.tokens)}</td>
                    <td className="right num">{formatInteger(s.documents)}</td>
                    <td className="right num">{formatBytes(s.bytes)}</td>
                    <td className="right num">{s.tokens > 0 ? (s.bytes / s.tokens).toFixed(2) : '–'}</td>
                    <td className="right num">{formatInteger(s.shards)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </Card>
        <Card title="Dropped, by reason" aside={<span className="dim num">{formatInteger(dropped)} documents</span>}>
          {d.dropped.length === 0 ? (
            <p className="dim">Nothing was dropped.</p>
          ) : (
            <ul className="shares">
              {[...d.dropped]
                .sort((a, b) => b.documents - a.documents)
                .map((r) => (
                  <li key={r.reason}>
                    <span>{r.reason}</span>
                    <span className="share" aria-hidden="true">
                      <i style={{ width: `${total > 0 ? Math.max(0.5, (r.documents / total) * 100) : 0}%` }} />
                    </span>
                    <span className="num right">{formatInteger(r.documents)}</span>
                    <span className="num right dim">{total > 0 ? formatPercent((r.documents / total) * 100) : ''}</span>
                    <span className="num right dim">{formatBytes(r.bytes)}</span>
                  </li>
                ))}
            </ul>
          )}
        </Card>
        <Card title="Made of">
          <Facts
            facts={[
              ['made by', d.madeBy && <RunLink run={d.madeBy} status />],
              ['made', formatTime(d.createdAt)],
              ['recipe', <Digest digest={d.recipeDigest} />],
              ['sources', <Digest digest={d.sourceDigest} />],
              ['tokenizer', <Digest digest={d.tokenizer} />],
            ]}
          />
        </Card>
        <Card title="Used by" aside={<span className="dim num">{formatInteger(d.usedBy.totalCount)}</span>}>
          {d.usedBy.nodes.length === 0 ? (
            <>
              <p className="dim">No run has used it yet.</p>
              <Command>millrace train --help</Command>
            </>
          ) : (
            <ul className="links">
              {d.usedBy.nodes.map((r) => (
                <li key={r.id}>
                  <RunLink run={r} kind status />
                  {r.experiment && <span className="dim">{r.experiment.name}</span>}
                </li>
              ))}
            </ul>
          )}
        </Card>
      </div>
    </article>
  )
}
