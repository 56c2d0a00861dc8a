import { Fragment } from 'react'
import { decode, formatBytes, formatInteger, formatPercent, formatValue } from '../format/number'
import type { DatasetReportQuery, DropReasonFragment } from '../gen/graphql'
import { Card } from '../parts/Card'

type Whole = NonNullable<NonNullable<DatasetReportQuery['dataset']>['report']>

export const part = (n: number, of: number) => (of > 0 ? (n / of) * 100 : 0)

export function Share({ n, of, kept = false }: { n: number; of: number; kept?: boolean }) {
  return (
    <span className={kept ? 'share share-kept' : 'share'} aria-hidden="true">
      <i style={{ width: `${n > 0 ? Math.max(0.5, part(n, of)) : 0}%` }} />
    </span>
  )
}

// What each source gave, and how much of what is kept is of it.
export function Sources({ of: r }: { of: Whole }) {
  const kept = r.sources.reduce((n, s) => n + s.keptBytes, 0)
  return (
    <Card title="Sources" flush aside={<span className="dim num">{formatInteger(r.sources.length)}</span>}>
      <div className="table-wrap">
        <table>
          <thead>
            <tr>
              <th scope="col">source</th>
              <th scope="col" className="right">files</th>
              <th scope="col" className="right">read</th>
              <th scope="col" className="right">kept</th>
              <th scope="col" className="right">kept text</th>
              <th scope="col">of all that is kept</th>
            </tr>
          </thead>
          <tbody>
            {r.sources.map((s) => (
              <tr key={s.name}>
                <th scope="row">{s.name}</th>
                <td className="right num">{formatInteger(s.files)}</td>
                <td className="right num" title={formatBytes(s.bytes)}>{formatInteger(s.documents)}</td>
                <td className="right num">{formatInteger(s.keptDocuments)}</td>
                <td className="right num">{formatBytes(s.keptBytes)}</td>
                <td>
                  <span className="share-cell">
                    <Share n={s.keptBytes} of={kept} kept />
                    <span className="num right">{formatPercent(part(s.keptBytes, kept))}</span>
                  </span>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Card>
  )
}

// How much of each source is in the training split, as the recipe asks for it.
export function Mixture({ of: r }: { of: Whole }) {
  if (r.mixture.length === 0) return null
  return (
    <Card title="Mixture of the training split" flush>
      <div className="table-wrap">
        <table>
          <thead>
            <tr>
              <th scope="col">source</th>
              <th scope="col" className="right">available</th>
              <th scope="col" className="right">taken</th>
              <th scope="col" className="right">documents</th>
              <th scope="col" className="right">with repeats</th>
              <th scope="col" className="right">wanted</th>
              <th scope="col">share</th>
            </tr>
          </thead>
          <tbody>
            {r.mixture.map((s) => (
              <tr key={s.source}>
                <th scope="row">{s.source}</th>
                <td className="right num">{formatBytes(s.available)}</td>
                <td className="right num">{formatBytes(s.bytes)}</td>
                <td className="right num">{formatInteger(s.documents)}</td>
                <td className="right num">{formatInteger(s.copies)}</td>
                <td className="right num">{formatPercent(decode(s.requested) * 100)}</td>
                <td>
                  <span className="share-cell">
                    <Share n={decode(s.share)} of={1} kept />
                    <span className="num right">{formatPercent(decode(s.share) * 100)}</span>
                  </span>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Card>
  )
}

// What was left out, by reason, with examples that can be asked about.
export function Reasons({ of: r, ask }: { of: Whole; ask?: (document: string) => void }) {
  const kept = r.sources.reduce((n, s) => n + s.keptDocuments, 0)
  const dropped = r.dropped.reduce((n, d) => n + d.documents, 0)
  const all = kept + dropped
  return (
    <Card title="Kept and dropped, by reason" aside={<span className="dim num">{formatInteger(all)} documents and files</span>}>
      <ul className="shares reasons">
        <li>
          <b>kept</b>
          <Share n={kept} of={all} kept />
          <span className="num right">{formatInteger(kept)}</span>
          <span className="num right dim">{formatPercent(part(kept, all))}</span>
        </li>
        {byCount(r.dropped).map((d) => (
          <Reason key={d.reason} of={d} all={all} ask={ask} />
        ))}
      </ul>
      {r.flagged.length > 0 && (
        <>
          <h3 className="reasons-also">Found in an evaluation, and not dropped</h3>
          <ul className="shares reasons">
            {byCount(r.flagged).map((d) => (
              <Reason key={d.reason} of={d} all={all} ask={ask} />
            ))}
          </ul>
        </>
      )}
    </Card>
  )
}

// A rule's name, which may be broken where its words end.
export function Rule({ name }: { name: string }) {
  return name.split(/(?<=[._])/).map((word, i) => (
    <Fragment key={i}>
      {word}
      <wbr />
    </Fragment>
  ))
}

const byCount = (list: DropReasonFragment[]) => [...list].sort((a, b) => b.documents - a.documents)

function Reason({ of: d, all, ask }: { of: DropReasonFragment; all: number; ask?: (document: string) => void }) {
  return (
    <li className="reason">
      <details>
        <summary>
          <span>
            <Rule name={d.reason} />
          </span>
          <Share n={d.documents} of={all} />
          <span className="num right">{formatInteger(d.documents)}</span>
          <span className="num right dim">{formatPercent(part(d.documents, all))}</span>
        </summary>
        <ul className="examples">
          <li className="dim num">{formatBytes(d.bytes)} of text</li>
          {d.examples.map((e) => (
            <li key={`${e.source}/${e.document}`}>
              {ask ? (
                <button type="button" className="link" onClick={() => ask(`${e.source}/${e.document}`)}>
                  {e.source}/{e.document}
                </button>
              ) : (
                <code>
                  {e.source}/{e.document}
                </code>
              )}{' '}
              <span className="dim">
                {e.repeats ? (
                  <>
                    repeats {e.repeats.source}/{e.repeats.document}
                    {e.repeats.text && <>: “{e.repeats.text}”</>}
                  </>
                ) : (
                  <>
                    measured <span className="num">{formatValue(decode(e.value))}</span>, threshold <span className="num">{formatValue(decode(e.threshold))}</span>
                  </>
                )}
              </span>
            </li>
          ))}
        </ul>
      </details>
    </li>
  )
}

// What was changed in kept documents.
export function Changes({ of: r }: { of: Whole }) {
  const rows = [...r.cleaned.map((c) => ({ ...c, by: 'cleaned' })), ...r.redacted.map((c) => ({ ...c, by: 'redacted' }))]
  if (rows.length === 0) return null
  return (
    <Card title="Changed in kept documents" flush>
      <div className="table-wrap">
        <table>
          <thead>
            <tr>
              <th scope="col">what</th>
              <th scope="col">how</th>
              <th scope="col" className="right">times</th>
              <th scope="col" className="right">documents</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((c) => (
              <tr key={c.by + c.kind}>
                <th scope="row">{c.kind.replaceAll('_', ' ')}</th>
                <td className="dim">{c.by}</td>
                <td className="right num">{formatInteger(c.count)}</td>
                <td className="right num">{formatInteger(c.documents)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Card>
  )
}
