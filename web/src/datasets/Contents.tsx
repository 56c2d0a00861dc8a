import { formatBytes, formatCount, formatInteger, formatPercent } from '../format/number'
import type { DatasetContentsFragment, DatasetRowFragment } from '../gen/graphql'
import { Card } from '../parts/Card'
import { Figure } from '../parts/Facts'

type Whole = DatasetRowFragment & DatasetContentsFragment

const keptOf = (d: Whole) => d.splits.reduce((n, s) => n + s.documents, 0)
const droppedOf = (d: Whole) => d.dropped.reduce((n, r) => n + r.documents, 0)

export function DatasetFigures({ of: d }: { of: Whole }) {
  const kept = keptOf(d)
  const dropped = droppedOf(d)
  const total = kept + dropped
  return (
    <div className="figures">
      <Figure name="tokens" value={formatCount(d.splits.reduce((n, s) => n + s.tokens, 0))} />
      <Figure name="documents" value={formatCount(kept)} note={total > 0 && dropped > 0 ? `${formatPercent((kept / total) * 100)} of what was read` : undefined} />
      <Figure name="vocabulary" value={formatInteger(d.vocabSize)} />
      <Figure name="stored" value={formatBytes(d.bytes)} />
    </div>
  )
}

export function Splits({ of: d }: { of: Whole }) {
  return (
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
  )
}

// What was left out, and why, as a share of all that was read.
export function Dropped({ of: d }: { of: Whole }) {
  const dropped = droppedOf(d)
  const total = keptOf(d) + dropped
  return (
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
  )
}
