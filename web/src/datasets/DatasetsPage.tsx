import { useState } from 'react'
import { Link } from 'wouter'
import { formatBytes, formatCount, formatInteger } from '../format/number'
import { useNow } from '../format/useNow'
import { DatasetsDocument } from '../gen/graphql'
import { useAsk } from '../link/useAsk'
import { Ago } from '../parts/Ago'
import { Command, Digest } from '../parts/Command'
import { RunLink } from '../parts/RunLink'
import { Empty, Loading, Trouble } from '../parts/State'
import { useTitle } from '../parts/title'
import { Pages } from '../parts/Pages'

const pageSize = 50

export function DatasetsPage() {
  useTitle('Datasets')
  const [cursors, setCursors] = useState<string[]>([])
  const { data, error, again } = useAsk(DatasetsDocument, { first: pageSize, after: cursors.at(-1) ?? null })
  const now = useNow(10_000)
  const page = data?.datasets
  if (!page) return error ? <Trouble error={error} again={again} /> : <Loading what="datasets" rows={6} />
  if (page.nodes.length === 0)
    return (
      <Empty title="No datasets yet">
        <p>A curate run reads text, cleans it, and publishes it as an immutable dataset.</p>
        <Command>millrace curate --help</Command>
      </Empty>
    )
  return (
    <>
      <h1 className="page-title">
        Datasets <span className="dim num">{formatInteger(page.totalCount)}</span>
      </h1>
      <div className="table-wrap">
        <table>
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col">Digest</th>
              <th scope="col" className="right">Tokens</th>
              <th scope="col" className="right">Documents</th>
              <th scope="col" className="right">Vocabulary</th>
              <th scope="col" className="right">Stored</th>
              <th scope="col">Splits</th>
              <th scope="col">Made by</th>
              <th scope="col" className="right">Made</th>
            </tr>
          </thead>
          <tbody>
            {page.nodes.map((d) => (
              <tr key={d.id}>
                <td>
                  <Link href={`/dataset/${encodeURIComponent(d.id)}`} className="name">
                    {d.name || 'unnamed'}
                  </Link>
                </td>
                <td>
                  <Digest digest={d.id} />
                </td>
                <td className="right num">{formatCount(d.splits.reduce((n, s) => n + s.tokens, 0))}</td>
                <td className="right num">{formatCount(d.splits.reduce((n, s) => n + s.documents, 0))}</td>
                <td className="right num">{formatInteger(d.vocabSize)}</td>
                <td className="right num">{formatBytes(d.bytes)}</td>
                <td className="dim">{d.splits.map((s) => s.name).join(', ')}</td>
                <td>{d.madeBy && <RunLink run={d.madeBy} />}</td>
                <td className="right num">
                  <Ago at={d.createdAt} now={now} />
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
