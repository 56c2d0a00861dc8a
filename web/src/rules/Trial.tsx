import { formatInteger } from '../format/number'
import { formatTime } from '../format/time'
import type { DryRunRuleInput, TrialPartsFragment } from '../gen/graphql'
import { ProgressBar } from '../parts/Progress'
import { Refusals } from '../run/Refusals'
import { Firings } from './Firings'
import type { Trying } from './useTrial'

// Begins a trial against the past week; while it goes on, ends it.
export function TryButton({ trying, input }: { trying: Trying; input: () => DryRunRuleInput | null }) {
  if (trying.progress)
    return (
      <button type="button" onClick={trying.stop}>
        Stop trying
      </button>
    )
  return (
    <button
      type="button"
      title="What it would have done; nothing is done"
      onClick={() => {
        const wished = input()
        if (wished) trying.try(wished)
      }}
    >
      Try against the past week
    </button>
  )
}

// How far a trial is, and what it says; nothing where none was asked for.
export function Trial({ trying, few = false }: { trying: Trying; few?: boolean }) {
  const { progress, trial, refusals } = trying
  if (refusals.length > 0) return <Refusals of={refusals} />
  if (progress)
    return (
      <p className="trial-progress" role="status">
        <ProgressBar progress={{ phase: 'try', done: progress.folded, total: progress.total, unit: 'facts', secondsLeft: null }} label="Progress of the trial" />
        <span className="num dim">{progress.total > 0 ? `${formatInteger(progress.folded)} of ${formatInteger(progress.total)} facts of history` : 'reading history'}</span>
      </p>
    )
  if (!trial) return null
  const shown = few ? trial.firings.slice(0, 5) : trial.firings
  return (
    <div className="trial" role="status">
      <p>
        <b>{trial.fired === 0 ? 'It would not have fired.' : `It would have fired ${times(trial.fired)}${trial.runs > 0 ? `, about ${formatInteger(trial.runs)} ${trial.runs === 1 ? 'run' : 'runs'}` : ''}.`}</b>{' '}
        <span className="dim">{looked(trial)}</span>
      </p>
      {trial.refused && (
        <p className="refusal">
          It could not be saved as it is: {trial.refused.message} {trial.refused.hint}
        </p>
      )}
      {trial.ended && <p className="rule-trouble">{trial.ended}</p>}
      {trial.failed > 0 && (
        <div className="rule-trouble">
          It could not have decided {times(trial.failed)}:
          <ul>
            {trial.errors.map((e, i) => (
              <li key={i}>
                <code>{e.result}</code>
              </li>
            ))}
          </ul>
        </div>
      )}
      {shown.length > 0 && <Firings of={shown} tried />}
      {trial.fired > shown.length && (
        <p className="dim">
          The first {formatInteger(shown.length)} of {formatInteger(trial.fired)}.
        </p>
      )}
      {trial.notes.map((n) => (
        <p key={n} className="dim">
          {n}
        </p>
      ))}
    </div>
  )
}

const times = (n: number) => (n === 1 ? 'once' : `${formatInteger(n)} times`)

const looked = (t: TrialPartsFragment) =>
  t.from && t.until
    ? `${formatInteger(t.facts)} facts from ${formatTime(t.from)} to ${formatTime(t.until)} were looked at, ${formatInteger(t.heard)} of the kind that it waits for.`
    : `Nothing has happened since ${formatTime(t.since)}.`
