import { useEffect, useRef, useState } from 'react'
import { Link } from 'wouter'
import { AnswersTab } from '../answers/AnswersTab'
import { RunDocument, RunLiveDocument, RunNudgeDocument, type RunHeadFragment, type RunKind } from '../gen/graphql'
import { throttled } from '../link/throttle'
import { useAsk } from '../link/useAsk'
import { useLive } from '../link/useLive'
import { Empty, Loading, Trouble } from '../parts/State'
import { ended } from '../parts/Status'
import { useTitle } from '../parts/title'
import { Checkpoints } from './Checkpoints'
import { ConfigTab } from './ConfigTab'
import { ConsoleTab } from './ConsoleTab'
import { CurvesTab } from './CurvesTab'
import { Gone, type Freed } from './DeleteDialog'
import { Head } from './Head'
import { Judgement } from './Judgement'
import { LineageTab } from './LineageTab'
import { MadeDataset } from './MadeDataset'
import { UsageTab } from './UsageTab'

const always = [
  ['config', 'Config'],
  ['usage', 'Usage & cost'],
  ['console', 'Console'],
  ['lineage', 'Lineage'],
] as const

// What a reader comes for stands first: curves of a training, the scores of an evaluation, the dataset of a curation.
function tabsOf(kind: RunKind): readonly (readonly [path: string, title: string])[] {
  switch (kind) {
    case 'CURATE':
      return [['', 'Dataset'], ['curves', 'Curves'], ...always]
    case 'EVALUATE':
      return [['', 'Scores'], ['answers', 'Answers'], ['curves', 'Curves'], ...always]
    default:
      return [['', 'Curves'], ['checkpoints', 'Checkpoints'], ...always]
  }
}

// The run as last heard of: asked once, then pushed at each change, and asked again when something came after its end.
function useRun(id: string) {
  const { data, error, again } = useAsk(RunDocument, { id })
  const asked = data?.run
  const [pushed, setPushed] = useState<RunHeadFragment | null>(null)
  const waiting = useRef<RunHeadFragment>(undefined)
  const draw = useRef(throttled(300, () => waiting.current && setPushed(waiting.current)))
  useEffect(() => () => draw.current.cancel(), [])
  const known = pushed && asked && pushed.seq >= asked.seq ? pushed : asked
  useLive(RunLiveDocument, known && !ended(known.status) ? { id } : null, ({ run }) => {
    waiting.current = run
    draw.current()
  })
  // A run that has ended is still judged, reproduced and tagged: all that came after what is known of it counts.
  const over = known && ended(known.status)
  const after = useRef<number>(undefined)
  after.current = over ? (after.current ?? known.seq) : undefined
  useLive(RunNudgeDocument, over ? { filter: { ids: [id], archived: known.archived }, after: after.current } : null, () => again())
  return { run: known, missing: data !== undefined && asked === null, error, again }
}

export function RunPage({ id, tab = '' }: { id: string; tab?: string }) {
  const { run, missing, error, again } = useRun(id)
  useTitle(run?.name || id)
  const [gone, setGone] = useState<{ name: string; freed: Freed } | null>(null)
  if (gone) return <Gone {...gone} />
  if (missing)
    return (
      <Empty title="There is no such run">
        <p>
          It may have been deleted, or this node has not read the log up to it yet. <Link href="/">All runs</Link>
        </p>
      </Empty>
    )
  if (!run) return error ? <Trouble error={error} again={again} /> : <Loading what="run" rows={10} />
  return (
    <article className="run">
      {error && <Trouble error={error} again={again} />}
      <Head run={run} gone={(freed) => setGone({ name: run.name || id, freed })} />
      <nav className="tabs" aria-label="Parts of the run">
        {tabsOf(run.kind).map(([path, title]) => (
          <Link key={path} href={`/run/${id}${path && '/' + path}`} aria-current={tab === path ? 'page' : undefined}>
            {title}
          </Link>
        ))}
      </nav>
      <Tab run={run} tab={tab} />
    </article>
  )
}

function Tab({ run, tab }: { run: RunHeadFragment; tab: string }) {
  switch (tab) {
    case 'checkpoints':
      return <Checkpoints run={run} />
    case 'config':
      return <ConfigTab run={run} />
    case 'usage':
      return <UsageTab run={run} />
    case 'console':
      return <ConsoleTab run={run} />
    case 'lineage':
      return <LineageTab run={run} />
    case 'answers':
      return <AnswersTab run={run} />
    case 'curves':
      return <CurvesTab run={run} />
    default:
      return run.kind === 'CURATE' ? <MadeDataset run={run} /> : run.kind === 'EVALUATE' ? <Judgement run={run} /> : <CurvesTab run={run} />
  }
}
