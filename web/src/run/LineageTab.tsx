import { useMemo, useState } from 'react'
import { Link } from 'wouter'
import { formatBytes, formatCount, formatInteger } from '../format/number'
import { RunLineageDocument, type RunHeadFragment, type RunLineageQuery } from '../gen/graphql'
import { useAsk } from '../link/useAsk'
import { Card } from '../parts/Card'
import { Digest } from '../parts/Command'
import { RunLink } from '../parts/RunLink'
import { Kind, Status } from '../parts/Status'
import { Empty, Loading, Trouble } from '../parts/State'
import { Choice } from '../parts/Toggle'
import { RunFirings } from '../rules/RunFirings'
import { Artifacts } from './ConfigTab'
import { generations, type Generation } from './generations'

type Thing = NonNullable<RunLineageQuery['run']>['lineage']['graph']['nodes'][number]

// Things of which only the id is known come without fields.
type Known = Exclude<NonNullable<Thing['object']>, Record<PropertyKey, never>>

const depths = ['1', '3', '10'] as const

// What the run came from, the run, and what came of it, as many steps each way as the reader asks for.
export function LineageTab({ run }: { run: RunHeadFragment }) {
  const [depth, setDepth] = useState<(typeof depths)[number]>('3')
  const { data, error, again } = useAsk(RunLineageDocument, { id: run.id, depth: Number(depth) }, { nudge: run.seq, every: 5_000 })
  const r = data?.run
  const graph = r?.lineage.graph
  const sides = useMemo(() => graph && generations(graph.nodes, graph.edges), [graph])
  if (!r || !sides) return error ? <Trouble error={error} again={again} /> : <Loading what="lineage" rows={5} />
  return (
    <>
      <div className="filters">
        <span className="dim">steps each way</span>
        <Choice label="Steps each way" of={depths} value={depth} set={setDepth} />
        {graph?.truncated && <span className="warn">There is more than is shown here.</span>}
      </div>
      <div className="lineage">
        <Side title="Came from" none="nothing recorded" of={sides.up} />
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
        <Side title="Came of it" none="nothing yet" of={sides.down} />
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
      <RunFirings id={run.id} nudge={run.seq} />
    </>
  )
}

function Side({ title, none, of }: { title: string; none: string; of: Generation<Thing>[] }) {
  return (
    <section aria-label={title}>
      <h2>{title}</h2>
      {of.length === 0 && <p className="dim">{none}</p>}
      {of.map((g) => (
        <div key={g.distance} className="generation">
          {Math.abs(g.distance) > 1 && <h3 className="dim">{Math.abs(g.distance)} steps away</h3>}
          {g.nodes.map(({ node, roles }) => (
            <div key={node.id} className="node">
              <ThingLine of={node} />
              {roles.length > 0 && <div className="dim">as {roles.join(', ')}</div>}
            </div>
          ))}
        </div>
      ))}
    </section>
  )
}

function ThingLine({ of }: { of: Thing }) {
  const o = of.object as Known | null
  if (o && 'status' in o) {
    return (
      <>
        <RunLink run={o} />
        <div>
          <Kind kind={o.kind} /> <Status status={o.status} />
        </div>
      </>
    )
  }
  if (o && 'suite' in o) {
    return (
      <>
        {o.judge ? <RunLink run={{ ...o.judge, name: `${o.suite} of step ${formatInteger(o.step)}` }} /> : <b>{o.suite}</b>}
        <div>
          <Kind kind="EVALUATE" /> {o.judge && <Status status={o.judge.status} />}
        </div>
      </>
    )
  }
  if (o && 'splits' in o) {
    return (
      <>
        <span>
          <Link href={`/dataset/${encodeURIComponent(of.id)}`}>{of.name || 'dataset'}</Link> <Digest digest={of.id} />
        </span>
        <div className="dim">
          dataset · {o.splits.map((s) => `${s.name} ${formatCount(s.tokens)} tokens`).join(' · ')} · vocabulary {formatCount(o.vocabSize)}
        </div>
      </>
    )
  }
  if (o && 'runId' in o) {
    return (
      <>
        <span>
          <Link href={`/run/${o.runId}/checkpoints`}>checkpoint of step {formatInteger(o.step)}</Link> <Digest digest={of.id} />
        </span>
        <div className="dim">{formatBytes(o.size)}</div>
      </>
    )
  }
  return (
    <span>
      {of.name && <b>{of.name}</b>} <span className="dim">{of.kind.toLowerCase()}</span> {of.id.includes(':') ? <Digest digest={of.id} /> : <code>{of.id}</code>}
    </span>
  )
}
