import { useState } from 'react'
import { useMutation } from 'urql'
import { Link } from 'wouter'
import { answersOf } from '../answers/asked'
import { decode, formatBytes, formatCount, formatInteger } from '../format/number'
import { formatSeconds, formatTime } from '../format/time'
import { EvaluateCheckpointDocument, RunCheckpointsDocument, type RunCheckpointsQuery, type RunHeadFragment, type ScorePartsFragment } from '../gen/graphql'
import { RunPlaces } from '../judge/Places'
import { useAsk } from '../link/useAsk'
import { Card } from '../parts/Card'
import { Digest } from '../parts/Command'
import { RunLink } from '../parts/RunLink'
import { Empty, explain, Loading, Trouble } from '../parts/State'
import { Samples } from './Samples'
import { columnsOf, ScoreValue, scoreIn } from './scores'

type Asked = NonNullable<RunCheckpointsQuery['run']>

export function Checkpoints({ run }: { run: RunHeadFragment }) {
  const { data, error, again } = useAsk(RunCheckpointsDocument, { id: run.id }, { nudge: run.seq, every: 3_000 })
  const r = data?.run
  if (!r) return error ? <Trouble error={error} again={again} /> : <Loading what="checkpoints" rows={6} />
  return (
    <>
      {r.checkpoints.length > 0 ? (
        <Table run={run} of={r} again={again} />
      ) : (
        <Empty title="No checkpoints">They appear here when the first is durable, and are evaluated by themselves.</Empty>
      )}
      <RunPlaces id={run.id} nudge={run.seq} />
      <Samples
        samples={[
          ...r.checkpoints.flatMap((c) => c.evaluations.flatMap((e) => e.samples.map((s) => ({ ...s, step: c.step })))),
          ...r.texts.map((t) => ({ task: t.key, prompt: t.prompt, text: t.text, step: t.step })),
        ]}
      />
    </>
  )
}

function Table({ run, of, again }: { run: RunHeadFragment; of: Asked; again: () => void }) {
  const [, evaluate] = useMutation(EvaluateCheckpointDocument)
  const [refusal, setRefusal] = useState('')
  const checkpoints = [...of.checkpoints].sort((a, b) => b.step - a.step)
  const columns = columnsOf(checkpoints)
  const suites = [...new Set(checkpoints.flatMap((c) => c.evaluations.map((e) => e.suite)))]
  const judge = async (step: number, suite: string) => {
    const { data, error } = await evaluate({ input: { run: run.id, step, suite } })
    const refused = data?.evaluateCheckpoint.userErrors[0]
    setRefusal(error ? explain(error) : refused ? `${refused.message} ${refused.hint ?? ''}` : '')
    again()
  }
  return (
    <Card title="Checkpoints" flush aside={refusal ? <span role="alert" className="refusal">{refusal}</span> : checkpoints.some((c) => c.evaluations.some((e) => e.answerCount > 0)) && <span className="dim hint">a score leads to its answers</span>}>
      <div className="table-wrap">
        <table>
          <thead>
            <tr>
              <th scope="col" className="right">step</th>
              <th scope="col" className="right">tokens</th>
              {columns.map((c) => (
                <th key={c.id} scope="col" className="right" title={`${c.suite} / ${c.task} / ${c.metric}, ${c.higherIsBetter ? 'higher' : 'lower'} is better`}>
                  {c.task} <span className="dim">{c.metric.replaceAll('_', ' ')} {c.higherIsBetter ? '↑' : '↓'}</span>
                </th>
              ))}
              <th scope="col">digest</th>
              <th scope="col" className="right">size</th>
              <th scope="col">saved</th>
              <th scope="col">evaluated</th>
            </tr>
          </thead>
          <tbody>
            {checkpoints.map((c) => {
              const missing = suites.filter((s) => !c.evaluations.some((e) => e.suite === s))
              return (
                <tr key={c.step}>
                  <td className="right num">
                    {formatInteger(c.step)}
                    {c.last && <span className="dim"> last</span>}
                  </td>
                  <td className="right num">{formatCount(c.tokens)}</td>
                  {columns.map((column) => {
                    const score = scoreIn(c.evaluations, column)
                    const best = column.best === c.step
                    return (
                      <td key={column.id} className={best ? 'right num best' : 'right num'}>
                        {score && <Judged score={score} by={c.evaluations.find((e) => e.suite === column.suite)} />}
                      </td>
                    )
                  })}
                  <td><Digest digest={c.digest} /></td>
                  <td className="right num">{formatBytes(c.size)}</td>
                  <td className="num nowrap">{formatTime(c.savedAt)}</td>
                  <td className="nowrap">
                    {c.evaluations.map((e, i) => (
                      <span key={i} title={`waited ${formatSeconds(decode(e.secondsWaited))}, took ${formatSeconds(decode(e.seconds))}`}>
                        {e.run ? <RunLink run={{ ...e.run, name: e.suite, kind: 'EVALUATE' }} /> : e.suite} <span className="dim num">{formatSeconds(decode(e.seconds))}</span>{' '}
                        {e.run && e.answerCount > 0 && <Link href={answersOf(e.run.id)}>answers</Link>}{' '}
                      </span>
                    ))}
                    {missing.map((s) => (
                      <button key={s} type="button" className="small" onClick={() => judge(c.step, s)}>
                        evaluate {s}
                      </button>
                    ))}
                  </td>
                </tr>
              )
            })}
          </tbody>
        </table>
      </div>
    </Card>
  )
}

// A score that leads to the answers behind it, where they were kept.
function Judged({ score, by }: { score: ScorePartsFragment; by: { run: { id: string } | null; answerCount: number } | undefined }) {
  if (!by?.run || by.answerCount === 0) return <ScoreValue score={score} />
  return (
    <Link href={answersOf(by.run.id, score.task)} className="score-link" title="The answers, one by one">
      <ScoreValue score={score} />
    </Link>
  )
}
