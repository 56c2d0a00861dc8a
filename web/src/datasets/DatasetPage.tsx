import { useRef, useState } from 'react'
import { Link } from 'wouter'
import { formatInteger } from '../format/number'
import { formatTime } from '../format/time'
import { DatasetDocument, DatasetReportDocument } from '../gen/graphql'
import { useAsk } from '../link/useAsk'
import { Card } from '../parts/Card'
import { Command, Digest } from '../parts/Command'
import { Facts } from '../parts/Facts'
import { RunLink } from '../parts/RunLink'
import { Empty, Loading, Trouble } from '../parts/State'
import { useTitle } from '../parts/title'
import { DatasetFigures, Dropped, Splits } from './Contents'
import { Kinds } from './Kinds'
import { Changes, Mixture, Reasons, Sources } from './Report'
import { WhyBox } from './Why'

export function DatasetPage({ id }: { id: string }) {
  const { data, error, again } = useAsk(DatasetDocument, { id })
  const d = data?.dataset
  // By itself: it is read from storage, and the rest of the page does not wait for it.
  const report = useAsk(DatasetReportDocument, { id }).data?.dataset?.report
  const [asked, setAsked] = useState('')
  const box = useRef<HTMLDivElement>(null)
  const askFromBelow = (document: string) => {
    setAsked(document)
    box.current?.scrollIntoView({ block: 'nearest', behavior: 'smooth' })
  }
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
      {report && (
        <div ref={box}>
          {report.attributes ? (
            <WhyBox id={d.id} name={d.name} asked={asked} ask={setAsked} />
          ) : (
            <p className="why-note dim">
              Why single documents were dropped is not recorded: put <code>attributes: true</code> into the recipe.
            </p>
          )}
        </div>
      )}
      {report && <Reasons of={report} ask={report.attributes ? askFromBelow : undefined} />}
      <div className="columns">
        {!report && <Dropped of={d} />}
        <Splits of={d} />
        {report && <Sources of={report} />}
        {report && <Mixture of={report} />}
        {report && <Changes of={report} />}
        {report?.kinds && <Kinds of={report.kinds} />}
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
