import type { RunKind, RunStatus } from '../gen/graphql'

export type Wish = 'stop' | 'pause' | 'resume' | 'fork' | 'rewind' | 'reproduce' | 'archive' | 'delete'

interface Standing {
  kind: RunKind
  status: RunStatus
  startedAt: string | null
  byWorker: boolean
}

// What can be wished of a run as it stands. The node has the last word: it knows of checkpoints, budgets and inputs that are gone.
export function may(run: Standing): Set<Wish> {
  const can = new Set<Wish>()
  const external = run.kind === 'EXTERNAL' && !run.byWorker
  const steps = run.kind === 'TRAIN' || run.kind === 'FINETUNE' || run.kind === 'EXTERNAL'
  const over = run.status !== 'PENDING' && run.status !== 'RUNNING'
  if (!over || run.status === 'PAUSED') can.add('stop')
  // Of somebody else's script nobody here saves a checkpoint, and nobody here starts it again.
  if (!over && !external) can.add('pause')
  if (over && run.status !== 'FINISHED' && !external) can.add('resume')
  if (steps && run.startedAt) {
    can.add('fork')
    if (over || external) can.add('rewind')
  }
  if (run.kind !== 'EXTERNAL') can.add('reproduce')
  if (over) can.add('archive')
  if (over || external) can.add('delete')
  return can
}
