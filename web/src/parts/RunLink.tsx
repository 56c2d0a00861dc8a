import { Link } from 'wouter'
import type { RunLinkFragment } from '../gen/graphql'
import { Kind, Status } from './Status'

export function RunLink({ run, kind = false, status = false }: { run: RunLinkFragment; kind?: boolean; status?: boolean }) {
  return (
    <span className="runlink">
      <Link href={`/run/${run.id}`}>{run.name || run.id}</Link>
      {kind && <Kind kind={run.kind} />}
      {status && <Status status={run.status} />}
    </span>
  )
}
