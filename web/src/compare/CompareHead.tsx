import { Link } from 'wouter'
import { formatDate } from '../format/time'
import { Copy, Digest } from '../parts/Command'
import { Kind, Status } from '../parts/Status'
import type { Colored } from './ComparePage'

export function CompareHead({ comparison, color, without }: Colored & { without?: (id: string) => void }) {
  const specs = new Set(comparison.runs.map((r) => r.specDigest))
  return (
    <header className="compare-head">
      <ol className="compared">
        {comparison.runs.map((run, i) => (
          <li key={run.id} style={{ borderTopColor: color(i) }}>
            <div className="compared-name">
              <Link href={`/run/${run.id}`}>{run.name || run.id}</Link>
              {without && (
                <button type="button" className="copy" aria-label={`Leave ${run.name || run.id} out`} onClick={() => without(run.id)}>
                  ✕
                </button>
              )}
            </div>
            <div className="compared-line">
              <Status status={run.status} /> <Kind kind={run.kind} /> <span className="dim">{formatDate(run.createdAt)}</span>
            </div>
            <div className="compared-line dim">
              spec <Digest digest={run.specDigest} />
            </div>
          </li>
        ))}
      </ol>
      <p className="dim">
        {specs.size === 1 ? 'All have one spec: they are the same experiment.' : `${specs.size} different specs.`} Share this comparison <Copy text={location.href} label="Copy address" />
      </p>
    </header>
  )
}

// The head of a table with one column for each run.
export function RunHeads({ comparison, color }: Colored) {
  return (
    <>
      {comparison.runs.map((run, i) => (
        <th key={run.id} scope="col" className="right runhead" title={run.name || run.id}>
          <i style={{ background: color(i) }} aria-hidden="true" />
          {run.name || run.id}
        </th>
      ))}
    </>
  )
}
