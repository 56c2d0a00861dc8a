import { useMemo } from 'react'
import { Link, useSearchParams } from 'wouter'
import { decode, formatInteger, formatValue } from '../format/number'
import { AnsweredDocument, JudgesDocument, type AnsweredQuery, type JudgesQuery, type RunHeadFragment } from '../gen/graphql'
import { useAsk } from '../link/useAsk'
import { Command } from '../parts/Command'
import { Empty, Loading, Trouble } from '../parts/State'
import { ended } from '../parts/Status'
import { Choice } from '../parts/Toggle'
import { usePausedText } from '../parts/useText'
import { AnswerList } from './AnswerList'
import { evaluationId, isOn, judgedOn, read, shown, write, type Asked } from './asked'
import { Differences } from './Differences'

export type Evaluation = Extract<NonNullable<AnsweredQuery['node']>, { suite: string }>
type Judge = JudgesQuery['runs']['nodes'][number]

// What was asked and answered in an evaluation, example by example, alone or beside another evaluation on the same suite.
export function AnswersTab({ run }: { run: RunHeadFragment }) {
  const { data, error, again } = useAsk(AnsweredDocument, { id: evaluationId(run.id) }, { nudge: run.seq, every: 2_000 })
  const e = data?.node as Evaluation | null | undefined
  if (!data) return error ? <Trouble error={error} again={again} /> : <Loading what="answers" rows={8} />
  if (!e)
    return (
      <Empty title={ended(run.status) ? 'Nothing was judged' : 'Judging'}>
        {ended(run.status) ? 'What the run said stands under Console.' : 'The answers appear here when all tasks are done.'}
      </Empty>
    )
  if (e.answerCount === 0)
    return (
      <Empty title="No answers were kept one by one">
        <p>They are of tasks that ask examples: multiple choice, texts with references, documents each by itself.</p>
        <Command>{`millrace eval ${e.model ? 'RUN' : e.ofId || 'RUN'} --suite zero_shot`}</Command>
      </Empty>
    )
  return <Answered key={e.id} run={run} evaluation={e} />
}

function Answered({ run, evaluation: e }: { run: RunHeadFragment; evaluation: Evaluation }) {
  const [params, setParams] = useSearchParams()
  const asked = useMemo(() => read(params), [params])
  const set = (change: Partial<Asked>) => setParams(write({ ...asked, ...change }), { replace: true })
  const [words, writeWords] = usePausedText(asked.words, (words) => set({ words }))
  const tasks = [...new Set(e.scores.map((s) => s.task))]
  const others = useAsk(JudgesDocument, { where: judgedOn(e.suite) })
  const judges = others.data?.runs.nodes.filter((j) => j.id !== run.id && isOn(j.config, e.suite)) ?? []
  return (
    <>
      <div className="filters">
        <select aria-label="Task" value={asked.task} onChange={(ev) => set({ task: ev.target.value })}>
          <option value="">all tasks</option>
          {tasks.map((t) => (
            <option key={t}>{t}</option>
          ))}
        </select>
        {!asked.against && <Choice label="Which answers" value={asked.show} of={shown} set={(show) => set({ show })} />}
        <input type="search" placeholder="Words of the prompt or the answers" aria-label="Search answers" value={words} onChange={(ev) => writeWords(ev.target.value)} />
        <Against judges={judges} of={e.ofId} value={asked.against} set={(against) => set({ against, change: 'changed' })} />
        <span className="spacer" />
        <span className="dim num">
          {formatInteger(e.answerCount)} answers on{' '}
          <Link href={`/suite/${encodeURIComponent(e.suite)}${e.suiteVersion > 0 ? `/${e.suiteVersion}` : ''}`}>
            {e.suite}
            {e.suiteVersion > 0 && `@${e.suiteVersion}`}
          </Link>
        </span>
      </div>
      {asked.against ? (
        <Differences key={asked.against} is={run.id} isName={nameOf(run)} was={asked.against} wasName={nameOf(judges.find((j) => j.id === asked.against) ?? { id: asked.against, name: '', branch: null })} asked={asked} set={set} />
      ) : (
        <>
          <TaskScores of={e} task={asked.task} />
          <AnswerList id={run.id} asked={asked} />
        </>
      )}
    </>
  )
}

const nameOf = (j: { id: string; name: string; branch: { step: number; runId: string; run: { name: string } | null } | null }): string =>
  j.branch ? `${j.branch.run?.name || j.branch.runId} at step ${formatInteger(j.branch.step)}` : j.name || j.id

// The version, where it was asked for by number.
function versionOf(j: Judge): string {
  const suite = (j.config as { suite?: unknown } | null)?.suite
  return typeof suite === 'string' && suite.includes('@') ? `, ${suite}` : ''
}

// What this evaluation can be held against: those of the same run first.
function Against({ judges, of, value, set }: { judges: readonly Judge[]; of: string; value: string; set: (id: string) => void }) {
  const same = judges.filter((j) => of !== '' && j.branch?.runId === of)
  const rest = judges.filter((j) => !same.includes(j))
  const known = value === '' || judges.some((j) => j.id === value)
  const options = (list: readonly Judge[]) =>
    list.map((j) => (
      <option key={j.id} value={j.id}>
        {nameOf(j)}
        {versionOf(j)}
      </option>
    ))
  return (
    <select aria-label="Compare with" value={value} onChange={(e) => set(e.target.value)} disabled={judges.length === 0 && known} title={judges.length === 0 ? 'There is no other evaluation on this suite' : undefined}>
      <option value="">{value ? 'compare with nothing' : 'compare with …'}</option>
      {!known && <option value={value}>{value}</option>}
      {same.length > 0 && <optgroup label="against the same run">{options(same)}</optgroup>}
      {rest.length > 0 && <optgroup label="against others">{options(rest)}</optgroup>}
    </select>
  )
}

// The scores that these answers amount to.
function TaskScores({ of, task }: { of: Evaluation; task: string }) {
  const scores = of.scores.filter((s) => task === '' || s.task === task)
  if (scores.length === 0) return null
  return (
    <div className="figures answer-figures">
      {scores.map((s) => {
        const stderr = decode(s.stderr)
        return (
          <div key={`${s.task}|${s.metric}`} className="figure" title={`${formatInteger(s.n)} examples, ${s.higherIsBetter ? 'higher' : 'lower'} is better`}>
            <span className="figure-name">
              {task === '' && `${s.task} `}
              {s.metric.replaceAll('_', ' ')} {s.higherIsBetter ? '↑' : '↓'}
            </span>
            <span className="figure-value num">{formatValue(decode(s.value))}</span>
            <span className="figure-note num">
              {stderr !== null && `±${formatValue(stderr, 2)} · `}
              {formatInteger(s.n)} examples
            </span>
          </div>
        )
      })}
    </div>
  )
}
