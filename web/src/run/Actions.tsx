import { useState } from 'react'
import { Link, useLocation } from 'wouter'
import { useMutation } from 'urql'
import { ArchiveRunDocument, ReproduceRunDocument, StopRunDocument, type RunHeadFragment } from '../gen/graphql'
import { explain } from '../parts/State'
import { ended } from '../parts/Status'

interface Refusal {
  message: string
  hint?: string | null
}

// What can be wished of a run. A wish that is refused says why, here.
export function Actions({ run }: { run: RunHeadFragment }) {
  const [, go] = useLocation()
  const [stopping, stop] = useMutation(StopRunDocument)
  const [reproducing, reproduce] = useMutation(ReproduceRunDocument)
  const [archiving, archive] = useMutation(ArchiveRunDocument)
  const [refusal, setRefusal] = useState<Refusal | null>(null)
  const [sure, setSure] = useState(false)

  const onStop = async () => {
    if (!sure) {
      setSure(true)
      setTimeout(() => setSure(false), 4_000)
      return
    }
    setSure(false)
    const { data, error } = await stop({ input: { id: run.id, reason: 'asked on the page' } })
    setRefusal(error ? { message: explain(error) } : (data?.stopRun.userErrors[0] ?? null))
  }
  const onReproduce = async () => {
    const { data, error } = await reproduce({ input: { id: run.id } })
    const refused = error ? { message: explain(error) } : (data?.reproduceRun.userErrors[0] ?? null)
    setRefusal(refused)
    if (!refused && data?.reproduceRun.run) go(`/run/${data.reproduceRun.run.id}`)
  }
  const onArchive = async () => {
    const { data, error } = await archive({ input: { id: run.id, archived: !run.archived } })
    setRefusal(error ? { message: explain(error) } : (data?.archiveRun.userErrors[0] ?? null))
  }

  const over = ended(run.status)
  return (
    <span className="actions">
      {refusal && (
        <span className="refusal" role="alert">
          {refusal.message}
          {refusal.hint && ` ${refusal.hint}`}
        </span>
      )}
      {run.reproduction && (
        <Link className="button" href={`/compare?ids=${run.reproduction.ofId},${run.id}`}>
          Compare
        </Link>
      )}
      {!over && (
        <button type="button" className={sure ? 'danger' : ''} onClick={onStop} disabled={run.stopRequested || stopping.fetching} title="At the next safe point; a checkpoint is written">
          {run.stopRequested ? 'Stopping…' : sure ? 'Really stop?' : 'Stop'}
        </button>
      )}
      {run.kind !== 'EXTERNAL' && (
        <button type="button" onClick={onReproduce} disabled={reproducing.fetching || !over} title={over ? 'Do the run again from its spec and compare bit by bit' : 'A run can be reproduced when it has ended'}>
          Reproduce
        </button>
      )}
      {over && (
        <button type="button" onClick={onArchive} disabled={archiving.fetching}>
          {run.archived ? 'Unarchive' : 'Archive'}
        </button>
      )}
    </span>
  )
}
