import { Link } from 'wouter'
import { decode, formatBytes, formatCount, formatDollars, formatInteger, formatPercent, formatValue } from '../format/number'
import { formatSeconds, formatTime, secondsSoFar } from '../format/time'
import { useNow } from '../format/useNow'
import type { RunHeadFragment } from '../gen/graphql'
import { Copy, Digest } from '../parts/Command'
import { Figure } from '../parts/Facts'
import { ProgressBar, progressWords } from '../parts/Progress'
import { RunLink } from '../parts/RunLink'
import { Kind, Status } from '../parts/Status'
import { valueOf } from '../runs/score'
import { Actions } from './Actions'
import type { Freed } from './DeleteDialog'
import { Verdict } from './Verdict'

export function Head({ run, gone }: { run: RunHeadFragment; gone: (freed: Freed) => void }) {
  return (
    <header className="run-head">
      <div className="run-title">
        <h1>{run.name || run.id}</h1>
        <Kind kind={run.kind} />
        <Status status={run.status} stopping={run.stopRequested} />
        <span className="spacer" />
        <Actions run={run} gone={gone} />
      </div>
      <p className="run-line">
        {run.experiment && (
          <>
            <Link href={`/experiment/${encodeURIComponent(run.experiment.id)}`}>{run.experiment.name}</Link>
            <span className="dot">·</span>
          </>
        )}
        <span className="nowrap">
          spec <Digest digest={run.specDigest} />
        </span>
        <span className="dot">·</span>
        <span className="nowrap">
          <code>{run.id}</code> <Copy text={run.id} label="Copy id" />
        </span>
        {run.branch && (
          <>
            <span className="dot">·</span>
            <span>
              {run.branch.kind} of {run.branch.run ? <RunLink run={run.branch.run} /> : run.branch.runId}
              {run.branch.step > 0 && ` ${run.branch.kind === 'evaluation' ? 'at' : 'from'} step ${formatInteger(run.branch.step)}`}
            </span>
          </>
        )}
        {run.worker && (
          <>
            <span className="dot">·</span>
            <span className="dim">on {run.worker}</span>
          </>
        )}
        {run.attempts > 1 && (
          <>
            <span className="dot">·</span>
            <span className="dim">attempt {run.attempts}</span>
          </>
        )}
        {run.rewoundTo !== null && (
          <>
            <span className="dot">·</span>
            <span className="dim">rewound to step {formatInteger(run.rewoundTo)}</span>
          </>
        )}
        {run.archived && (
          <>
            <span className="dot">·</span>
            <span className="dim">archived</span>
          </>
        )}
        {run.by && (
          <>
            <span className="dot">·</span>
            <span className="dim">by {run.by}</span>
          </>
        )}
        {run.labels.map((l) => (
          <span key={l} className="tag">
            {l}
          </span>
        ))}
        {run.tags.map((t) => (
          <span key={t.key} className="tag">
            <span className="dim">{t.key}</span> {t.key === 'sweep' ? <Link href={`/sweep/${t.value}`}>{t.value}</Link> : t.value}
          </span>
        ))}
      </p>
      {run.note && <p className="note">{run.note}</p>}
      {run.status === 'RUNNING' && run.progress && (
        <div className="run-progress">
          <ProgressBar progress={run.progress} label="Progress of the run" />
          <span className="num">{progressWords(run.progress)}</span>
        </div>
      )}
      {run.failure && (
        <div className="failure" role="alert">
          <b>{run.failure.message}</b> <code>{run.failure.code}</code>
          {run.failure.hint && <p>{run.failure.hint}</p>}
        </div>
      )}
      {run.reproduction && <Verdict of={run.reproduction} />}
      {run.alerts.map((a, i) => (
        <div key={i} className={`alert alert-${a.level}`}>
          <b>{a.title}</b> {a.text} <time dateTime={a.at}>{formatTime(a.at)}</time>
        </div>
      ))}
      <Figures run={run} />
    </header>
  )
}

function Figures({ run }: { run: RunHeadFragment }) {
  const running = run.status === 'RUNNING'
  const now = useNow(1000, running)
  const seconds = secondsSoFar(run, decode(run.seconds), now)
  const speed = valueOf(run.speed, 'tokens_per_second')
  const metric = (name: string, of: RunHeadFragment['trainLoss']) => {
    const value = valueOf(of, name)
    return value === null ? null : <Figure name={name} value={formatValue(value)} />
  }
  const usage = running ? run.usage : null
  const joules = decode(run.cost.joules)
  return (
    <div className="figures">
      {metric('train/loss', run.trainLoss)}
      {metric('val/loss', run.valLoss)}
      {speed !== null && <Figure name="tokens/s" value={formatCount(speed)} />}
      {run.cost.tokens > 0 && <Figure name="tokens" value={formatCount(run.cost.tokens)} />}
      <Figure name="cost" value={formatDollars(decode(run.cost.dollars))} note={run.cost.unpriced.length > 0 ? `without ${run.cost.unpriced.join(', ')}` : joules !== null && joules > 0 ? 'with energy' : undefined} />
      <Figure
        name="duration"
        value={seconds === null ? 'not started' : formatSeconds(run.endedAt ? seconds : Math.floor(seconds))}
        note={run.startedAt ? `since ${formatTime(run.startedAt)}` : `asked ${formatTime(run.createdAt)}`}
      />
      {usage && <Figure name="cpu" value={formatPercent(decode(usage.cpuPercent))} note={`memory ${formatBytes(usage.rss)}`} />}
      {usage?.gpus.map((g) => (
        <Figure key={g.index} name={`gpu ${g.index}`} value={formatPercent(decode(g.percent))} note={`memory ${formatBytes(g.memoryUsed)}`} />
      ))}
    </div>
  )
}
