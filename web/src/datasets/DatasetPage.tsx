import { Link } from 'wouter'
import { formatInteger } from '../format/number'
import { formatTime } from '../format/time'
import { DatasetDocument } from '../gen/graphql'
import { useAsk } from '../link/useAsk'
import { Card } from '../parts/Card'
import { Command, Digest } from '../parts/Command'
import { Facts } from '../parts/Facts'
import { RunLink } from '../parts/RunLink'
import { Empty, Loading, Trouble } from '../parts/State'
import { useTitle } from '../parts/title'
import { DatasetFigures, Dropped, Splits } from './Contents'

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
  return (
    <article>
      <header className="run-head">
        <div className="run-title">
          <h1>{d.name || 'Dataset'}</h1>
          <span className="kind kind-curate">dataset</span>
          <Digest digest={d.id} />
        </div>
        <DatasetFigures of={d} />
      </header>
      <div className="columns">
        <Splits of={d} />
        <Dropped of={d} />
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
