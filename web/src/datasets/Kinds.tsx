import { formatBytes, formatInteger, formatPercent } from '../format/number'
import type { DatasetReportQuery, PortionFragment } from '../gen/graphql'
import { Card } from '../parts/Card'
import { part, Share } from './Report'

type Whole = NonNullable<NonNullable<NonNullable<DatasetReportQuery['dataset']>['report']>['kinds']>

// Of what kinds the documents are: a card for each kind of which anything is known.
export function Kinds({ of: k }: { of: Whole }) {
  return (
    <>
      <Portions title="By source, repeats included" of={k.sources} bytes={k.bytes} />
      <Portions title="By language" of={k.languages} bytes={k.bytes} />
      <Portions title="By programming language" of={k.code} bytes={k.bytes} />
      <Portions title="By domain" of={k.domains} bytes={k.bytes} />
      <Portions title="By licence" of={k.licenses} bytes={k.bytes} />
      <Lengths title="Characters a document" of={k.characters} documents={k.documents} />
      <Lengths title="Tokens a document" of={k.lengthTokens} documents={k.documents} />
    </>
  )
}

const shown = 10

function Portions({ title, of, bytes }: { title: string; of: PortionFragment[]; bytes: number }) {
  if (of.every((p) => p.value === '' && p.others === 0)) return null
  return (
    <Card title={title} aside={<span className="dim">share of text</span>}>
      <ul className="shares portions">
        {of.slice(0, shown).map((p) => (
          <li key={p.value + p.others} title={`${formatInteger(p.documents)} documents`}>
            <span>{p.others > 0 ? `${formatInteger(p.others)} others` : p.value || <i className="dim">unknown</i>}</span>
            <Share n={p.bytes} of={bytes} kept />
            <span className="num right dim">{formatBytes(p.bytes)}</span>
            <span className="num right">{formatPercent(part(p.bytes, bytes))}</span>
          </li>
        ))}
      </ul>
      {of.length > shown && <p className="dim">and {formatInteger(of.length - shown)} more</p>}
    </Card>
  )
}

// A histogram by powers of two, from the shortest to the longest that there is.
function Lengths({ title, of, documents }: { title: string; of: number[]; documents: number }) {
  const first = of.findIndex((n) => n > 0)
  if (first < 0) return null
  const most = Math.max(...of)
  return (
    <Card title={title} aside={<span className="dim">documents</span>}>
      <ul className="shares portions">
        {of.slice(first).map((n, i) => (
          <li key={i}>
            <span className="num">{span(first + i)}</span>
            <Share n={n} of={most} kept />
            <span className="num right dim">{formatInteger(n)}</span>
            <span className="num right">{formatPercent(part(n, documents))}</span>
          </li>
        ))}
      </ul>
    </Card>
  )
}

const span = (n: number) => (n < 2 ? String(n) : `${formatInteger(2 ** (n - 1))} to ${formatInteger(2 ** n - 1)}`)
