import { Link } from 'wouter'
import { formatCount } from '../format/number'
import { RunLineageDocument, type RunHeadFragment, type RunLinkFragment } from '../gen/graphql'
import { useAsk } from '../link/useAsk'
import { Card } from '../parts/Card'
import { Digest } from '../parts/Command'
import { RunLink } from '../parts/RunLink'
import { Kind, Status } from '../parts/Status'
import { Empty, Loading, Trouble } from '../parts/State'
import { Artifacts } from './ConfigTab'

// What the run came from, the run, and what came of it: one step each way.
export function LineageTab({ run }: { run: RunHeadFragment }) {
  const { data, error, again } = useAsk(RunLineageDocument, { id: run.id }, { nudge: run.seq, every: 5_000 })
  const r = data?.run
  if (!r) return error ? <Trouble error={error} again={again} /> : <Loading what="lineage" rows={5} />
  const { datasets, madeDataset, parents, children, evaluatedBy } = r.lineage
  const from = datasets.length + parents.length
  const to = children.length + evaluatedBy.length + (madeDataset ? 1 : 0)
  return (
    <>
      <div className="lineage">
        <div>
          <h2>Came from</h2>
          {from === 0 && <p className="dim">nothing recorded</p>}
          {datasets.map((d) => (
            <DatasetNode key={d.id} dataset={d} />
          ))}
          {parents.map((p) => (
            <RunNode key={p.id} run={p} />
          ))}
        </div>
        <div aria-hidden="true" className="arrow-right">
          →
        </div>
        <div>
          <h2>This run</h2>
          <div className="node node-self">
            <b>{run.name || run.id}</b>
            <div>
              <Kind kind={run.kind} /> <Status status={run.status} />
            </div>
          </div>
        </div>
        <div aria-hidden="true" className="arrow-right">
          →
        </div>
        <div>
          <h2>Came of it</h2>
          {to === 0 && <p className="dim">nothing yet</p>}
          {madeDataset && <DatasetNode dataset={madeDataset} />}
          {children.map((c) => (
            <RunNode key={c.id} run={c} />
          ))}
          {evaluatedBy.map((e) => (
            <RunNode key={e.id} run={e} />
          ))}
        </div>
      </div>
      <div className="columns">
        <Artifacts title="Inputs" of={r.inputs} />
        <Artifacts title="Outputs" of={r.outputs} />
        {r.inputs.length + r.outputs.length === 0 && (
          <Card title="Inputs and outputs">
            <Empty title="None recorded" />
          </Card>
        )}
      </div>
    </>
  )
}

const RunNode = ({ run }: { run: RunLinkFragment }) => (
  <div className="node">
    <RunLink run={run} />
    <div>
      <Kind kind={run.kind} /> <Status status={run.status} />
    </div>
  </div>
)

const DatasetNode = ({ dataset }: { dataset: { id: string; name: string; vocabSize: number; splits: { name: string; tokens: number }[] } }) => (
  <div className="node">
    <Link href={`/dataset/${encodeURIComponent(dataset.id)}`}>{dataset.name || 'dataset'}</Link> <Digest digest={dataset.id} />
    <div className="dim">
      dataset · {dataset.splits.map((s) => `${s.name} ${formatCount(s.tokens)} tokens`).join(' · ')} · vocabulary {formatCount(dataset.vocabSize)}
    </div>
  </div>
)
