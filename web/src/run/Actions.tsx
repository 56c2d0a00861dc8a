import { useEffect, useState } from 'react'
import { Link, useLocation } from 'wouter'
import { ArchiveRunDocument, PauseRunDocument, ReproduceRunDocument, ResumeRunDocument, StarRunDocument, StopRunDocument, type RunHeadFragment } from '../gen/graphql'
import { ended } from '../parts/Status'
import { DeleteDialog, type Freed } from './DeleteDialog'
import { ForkDialog } from './ForkDialog'
import { may } from './may'
import { Refusals } from './Refusals'
import { RewindDialog } from './RewindDialog'
import { useWish } from './useWish'

const dialogs = { fork: ForkDialog, rewind: RewindDialog }

// What can be wished of a run as it stands. A wish that is refused says why, here.
export function Actions({ run, gone }: { run: RunHeadFragment; gone: (freed: Freed) => void }) {
  const [, go] = useLocation()
  const { busy, refusals, wish } = useWish()
  const [sure, setSure] = useState(false)
  const [asking, ask] = useState<'fork' | 'rewind' | 'delete' | null>(null)
  useEffect(() => {
    if (!sure) return
    const timer = setTimeout(() => setSure(false), 4_000)
    return () => clearTimeout(timer)
  }, [sure])

  const can = may(run)
  const { id } = run
  const over = ended(run.status)
  const pausing = run.stopRequested && run.stop?.pause === true
  const onStop = async () => {
    setSure(!sure)
    if (sure) await wish(StopRunDocument, { input: { id, reason: 'asked on the page' } }, (d) => d.stopRun)
  }
  const onReproduce = async () => {
    const made = await wish(ReproduceRunDocument, { input: { id } }, (d) => d.reproduceRun)
    if (made?.run) go(`/run/${made.run.id}`)
  }
  const Asked = asking === 'fork' || asking === 'rewind' ? dialogs[asking] : null
  return (
    <span className="actions" role="group" aria-label="What to do with the run">
      <Refusals of={refusals} />
      {run.reproduction && (
        <Link className="button" href={`/compare?ids=${run.reproduction.ofId},${id}`}>
          Compare
        </Link>
      )}
      {can.has('stop') && (
        <button type="button" className={sure ? 'danger' : ''} onClick={onStop} disabled={(run.stopRequested && !pausing && !over) || busy} title="At the next safe point; a checkpoint is written">
          {run.stopRequested && !pausing && !over ? 'Stopping…' : sure ? 'Really stop?' : 'Stop'}
        </button>
      )}
      {can.has('pause') && (
        <button type="button" onClick={() => wish(PauseRunDocument, { input: { id, reason: 'asked on the page' } }, (d) => d.pauseRun)} disabled={run.stopRequested || busy} title="At the next safe point; resumed, it goes on to the same bits">
          {pausing ? 'Pausing…' : 'Pause'}
        </button>
      )}
      {can.has('resume') && (
        <button type="button" onClick={() => wish(ResumeRunDocument, { input: { id } }, (d) => d.resumeRun)} disabled={busy} title="Go on from the newest checkpoint">
          Resume
        </button>
      )}
      {can.has('fork') && (
        <button type="button" aria-haspopup="dialog" onClick={() => ask('fork')} title="A new run that goes on from a step of this one">
          Fork…
        </button>
      )}
      {can.has('rewind') && (
        <button type="button" aria-haspopup="dialog" onClick={() => ask('rewind')} title="Back to a step; the history stays in the log">
          Rewind…
        </button>
      )}
      {can.has('reproduce') && (
        <button type="button" onClick={onReproduce} disabled={busy || !over} title={over ? 'Do the run again from its spec and compare bit by bit' : 'A run can be reproduced when it has ended'}>
          Reproduce
        </button>
      )}
      <button type="button" className="toggle" aria-pressed={run.starred} onClick={() => wish(StarRunDocument, { input: { id, starred: !run.starred } }, (d) => d.starRun)} disabled={busy} title="Worth coming back to">
        <span aria-hidden="true">{run.starred ? '★' : '☆'}</span> Star
      </button>
      {can.has('archive') && (
        <button type="button" onClick={() => wish(ArchiveRunDocument, { input: { id, archived: !run.archived } }, (d) => d.archiveRun)} disabled={busy} title={run.archived ? 'Show it in lists again' : 'Out of sight of lists'}>
          {run.archived ? 'Unarchive' : 'Archive'}
        </button>
      )}
      {can.has('delete') && (
        <button type="button" aria-haspopup="dialog" onClick={() => ask('delete')} title="For good">
          Delete…
        </button>
      )}
      {Asked && <Asked run={run} leave={() => ask(null)} />}
      {asking === 'delete' && <DeleteDialog run={run} leave={() => ask(null)} gone={gone} />}
    </span>
  )
}
