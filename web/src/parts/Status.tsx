import type { RunKind, RunStatus } from '../gen/graphql'

const words: Record<RunStatus, string> = {
  PENDING: 'waiting',
  RUNNING: 'running',
  FINISHED: 'finished',
  FAILED: 'failed',
  STOPPED: 'stopped',
  CRASHED: 'crashed',
  PAUSED: 'paused',
}

// The status as a word with a dot: never by colour alone.
export function Status({ status, stopping = false }: { status: RunStatus; stopping?: boolean }) {
  return (
    <span className={`status status-${status.toLowerCase()}`}>
      <i aria-hidden="true" />
      {stopping && status === 'RUNNING' ? 'stopping' : words[status]}
    </span>
  )
}

export const Kind = ({ kind }: { kind: RunKind }) => <span className={`kind kind-${kind.toLowerCase()}`}>{kind.toLowerCase()}</span>

export const ended = (status: RunStatus): boolean => status !== 'PENDING' && status !== 'RUNNING'
