import { Link } from 'wouter'
import { answersOf, evaluationId } from '../answers/asked'
import { decode, formatInteger } from '../format/number'
import { formatSeconds, formatTime } from '../format/time'
import { RunJudgementDocument, type RunHeadFragment, type RunJudgementQuery } from '../gen/graphql'
import { useAsk } from '../link/useAsk'
import { Card } from '../parts/Card'
import { Digest } from '../parts/Command'
import { Facts } from '../parts/Facts'
import { RunLink } from '../parts/RunLink'
import { Empty, Loading, Trouble } from '../parts/State'
import { ended } from '../parts/Status'
import { SuiteLink } from '../suites/SuiteLink'
import { Samples } from './Samples'
import { ScoreValue } from './scores'

type Found = Extract<NonNullable<RunJudgementQuery['node']>, { suite: string }>

// What an evaluate run found.
export function Judgement({ run }: { run: RunHeadFragment }) {
  const { data, error, again } = useAsk(RunJudgementDocument, { id: evaluationId(run.id) }, { nudge: run.seq, every: 2_000 })
  if (!data) return error ? <Trouble error={error} again={again} /> : <Loading what="scores" rows={5} />
  const e = data.node as Found | null
  if (!e)
    return (
      <Empty title={ended(run.status) ? 'Nothing was judged' : 'Judging'}>
        {ended(run.status) ? 'What the run said stands under Console.' : 'The scores appear here when all tasks are done.'}
      </Empty>
    )
  return (
    <>
      <div className="columns columns-wide">
        <div>
          <Card title={`Scores on ${e.suite}`} flush aside={e.answerCount > 0 && <Link href={answersOf(run.id)}>{formatInteger(e.answerCount)} answers one by one</Link>}>
            <Scores run={run.id} of={e} />
          </Card>
          {e.failed.length > 0 && <Failed of={e} />}
        </div>
        <Card title="Judged">
          <Facts
            facts={[
              ['model', e.model],
              ['run', e.model ? '' : e.of ? <RunLink run={e.of} status /> : e.ofId],
              ['step', e.model ? '' : formatInteger(e.step)],
              ['checkpoint', e.checkpoint && <Digest digest={e.checkpoint} />],
              ['suite', <SuiteLink name={e.suite} version={e.suiteVersion} />],
              ['suite digest', <Digest digest={e.suiteDigest} />],
              ['waited', formatSeconds(decode(e.secondsWaited))],
              ['took', formatSeconds(decode(e.seconds))],
              ['at', formatTime(e.at)],
            ]}
          />
        </Card>
      </div>
      <Samples samples={e.samples.map((s) => ({ ...s, step: e.step }))} />
    </>
  )
}

const Scores = ({ run, of }: { run: string; of: Found }) => (
  <div className="table-wrap">
    <table>
      <thead>
        <tr>
          <th scope="col">task</th>
          <th scope="col">metric</th>
          <th scope="col" className="right">value ± standard error</th>
          <th scope="col" className="right">examples</th>
          <th scope="col">better is</th>
        </tr>
      </thead>
      <tbody>
        {of.scores.map((s) => (
          <tr key={`${s.task}|${s.metric}`}>
            <th scope="row">{of.answerCount > 0 ? <Link href={answersOf(run, s.task)}>{s.task}</Link> : s.task}</th>
            <td>{s.metric.replaceAll('_', ' ')}</td>
            <td className="right num">
              <ScoreValue score={s} />
            </td>
            <td className="right num">{formatInteger(s.n)}</td>
            <td className="dim">{s.higherIsBetter ? 'higher' : 'lower'}</td>
          </tr>
        ))}
      </tbody>
    </table>
  </div>
)

const Failed = ({ of }: { of: Found }) => (
  <Card title="Tasks without scores">
    <ul className="failed">
      {of.failed.map((f) => (
        <li key={f.task}>
          <b>{f.task}</b> <code>{f.code}</code> <span className="dim">{f.message}</span>
        </li>
      ))}
    </ul>
  </Card>
)
