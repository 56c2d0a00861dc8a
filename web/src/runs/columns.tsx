import { createColumnHelper, rowSelectionFeature, rowSortingFeature, columnVisibilityFeature, tableFeatures } from '@tanstack/react-table'
import { Link } from 'wouter'
import { decode, formatCount, formatDollars, formatFlops, formatJoules, formatValue } from '../format/number'
import { formatSeconds, secondsSoFar } from '../format/time'
import { useNow } from '../format/useNow'
import type { RunRowFragment } from '../gen/graphql'
import { Ago } from '../parts/Ago'
import { ProgressBar, progressWords, share } from '../parts/Progress'
import { Kind, Status } from '../parts/Status'
import { metricName, newestScore, valueOf } from './score'

export const features = tableFeatures({ rowSelectionFeature, rowSortingFeature, columnVisibilityFeature })
const helper = createColumnHelper<typeof features, RunRowFragment>()

export const columns = helper.columns([
  helper.display({
    id: 'select',
    enableHiding: false,
    header: () => <span className="hidden">Select</span>,
    cell: ({ row }) => (
      <input
        type="checkbox"
        checked={row.getIsSelected()}
        onChange={row.getToggleSelectedHandler()}
        aria-label={`Select ${row.original.name || row.original.id} for comparison`}
      />
    ),
  }),
  helper.accessor('status', { id: 'status', header: 'Status', cell: ({ row }) => <StatusCell run={row.original} /> }),
  helper.accessor('name', { id: 'name', header: 'Name', enableHiding: false, cell: ({ row }) => <NameCell run={row.original} /> }),
  helper.accessor('kind', { id: 'kind', header: 'Kind', cell: ({ row }) => <Kind kind={row.original.kind} /> }),
  helper.display({
    id: 'experiment',
    header: 'Experiment',
    cell: ({ row: { original: run } }) =>
      run.experiment && <Link href={`/experiment/${encodeURIComponent(run.experiment.id)}`}>{run.experiment.name}</Link>,
  }),
  number('train_loss', 'train/loss', (run) => formatMetric(valueOf(run.trainLoss, 'train/loss'))),
  number('val_loss', 'val/loss', (run) => formatMetric(valueOf(run.valLoss, 'val/loss'))),
  number('score', 'Score', (run) => <ScoreCell run={run} />),
  number('speed', 'tokens/s', (run) => formatCountOrNothing(valueOf(run.speed, 'tokens_per_second'))),
  number('cost', 'Cost', (run) => <CostCell run={run} />),
  number('duration', 'Duration', (run) => <DurationCell run={run} />),
  number('tokens', 'Tokens', (run) => run.cost.tokens > 0 && formatCount(run.cost.tokens)),
  number('flops', 'Work', (run) => positive(decode(run.cost.flops), formatFlops)),
  number('device_seconds', 'Device time', (run) => positive(decode(run.cost.deviceSeconds), formatSeconds)),
  number('joules', 'Energy', (run) => positive(decode(run.cost.joules), formatJoules)),
  helper.accessor('by', { id: 'by', header: 'By' }),
  number('ended', 'Ended', (run) => run.endedAt && <Since at={run.endedAt} />),
  number('created', 'Started', (run) => <StartedCell run={run} />),
  helper.display({ id: 'tags', header: 'Tags', cell: ({ row }) => <TagsCell run={row.original} /> }),
])

function number(id: string, header: string, cell: (run: RunRowFragment) => React.ReactNode) {
  return helper.accessor((run) => run.id, { id, header, cell: ({ row }) => cell(row.original) })
}

export const numeric = new Set(['train_loss', 'val_loss', 'score', 'speed', 'cost', 'duration', 'tokens', 'flops', 'device_seconds', 'joules', 'ended', 'created'])
export const sortable = new Set(['status', 'name', 'kind', 'experiment', 'by', ...numeric])
// Shown only to readers who ask for them.
export const hiddenAtFirst: Record<string, boolean> = { tokens: false, flops: false, device_seconds: false, joules: false, by: false, ended: false }

const positive = (x: number | null, write: (x: number) => string) => x !== null && x > 0 && write(x)

const formatMetric = (x: number | null) => (x === null ? '' : <span className={Number.isFinite(x) ? '' : 'odd'}>{formatValue(x)}</span>)
const formatCountOrNothing = (x: number | null) => (x === null ? '' : formatCount(x))

function NameCell({ run }: { run: RunRowFragment }) {
  return (
    <>
      <Link href={`/run/${run.id}`} className="name">
        {run.name || run.id}
      </Link>
      {run.starred && (
        <span className="star" role="img" aria-label="starred">
          ★
        </span>
      )}
      {run.archived && <span className="dim"> archived</span>}
    </>
  )
}

function StatusCell({ run }: { run: RunRowFragment }) {
  const p = run.status === 'RUNNING' ? run.progress : null
  return (
    <span className="status-cell" title={p ? progressWords(p) : (run.failure?.message ?? undefined)}>
      <Status status={run.status} stopping={run.stopRequested} />
      {p && (
        <>
          <ProgressBar progress={p} label={`Progress of ${run.name || run.id}`} />
          <span className="num dim">{share(p) === null ? '' : `${Math.floor((share(p) ?? 0) * 100)}%`}</span>
        </>
      )}
    </span>
  )
}

function ScoreCell({ run }: { run: RunRowFragment }) {
  const best = newestScore(run.evaluations)
  if (!best) return null
  const stderr = decode(best.score.stderr)
  return (
    <span title={`${best.suite} / ${best.score.task} / ${metricName(best.score.metric)} at step ${best.step}${stderr === null ? '' : ` ± ${formatValue(stderr, 2)}`}`}>
      {formatMetric(best.value)} <span className="dim unit">{best.score.metric === 'bits_per_byte' ? 'bpb' : metricName(best.score.metric)}</span>
    </span>
  )
}

function CostCell({ run }: { run: RunRowFragment }) {
  const dollars = decode(run.cost.dollars)
  if (dollars === 0 && run.status === 'PENDING') return null
  const missing = run.cost.unpriced.length > 0
  return (
    <span title={missing ? `Not in the price book: ${run.cost.unpriced.join(', ')}` : undefined}>
      {formatDollars(dollars)}
      {missing && <span className="dim">+?</span>}
    </span>
  )
}

function DurationCell({ run }: { run: RunRowFragment }) {
  const now = useNow(1000, run.status === 'RUNNING')
  const seconds = secondsSoFar(run, decode(run.seconds), now)
  return <>{seconds === null ? '' : formatSeconds(run.endedAt ? seconds : Math.floor(seconds))}</>
}

const StartedCell = ({ run }: { run: RunRowFragment }) => <Since at={run.startedAt ?? run.createdAt} />

// A cell's own clock: the table is not drawn again for it.
function Since({ at }: { at: string }) {
  return <Ago at={at} now={useNow(10_000)} />
}

function TagsCell({ run }: { run: RunRowFragment }) {
  return (
    <span className="tags">
      {run.labels.map((l) => (
        <span key={l} className="tag">
          {l}
        </span>
      ))}
      {run.tags.map((t) => (
        <span key={t.key} className="tag" title={`${t.key}: ${t.value}`}>
          <span className="dim">{t.key}</span> {t.value}
        </span>
      ))}
    </span>
  )
}
