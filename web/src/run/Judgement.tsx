import { decode, formatInteger } from '../format/number'
import { formatSeconds, formatTime } from '../format/time'
import { RunJudgementDocument, type RunHeadFragment } from '../gen/graphql'
import { useAsk } from '../link/useAsk'
import { Card } from '../parts/Card'
import { Digest } from '../parts/Command'
import { Facts } from '../parts/Facts'
import { RunLink } from '../parts/RunLink'
import { Empty, Loading, Trouble } from '../parts/State'
import { ended } from '../parts/Status'
import { Samples } from './Samples'
import { ScoreValue } from './scores'

// What an evaluate run found.
export function Judgement({ run }: { run: RunHeadFragment }) {
  const { data, error, again } = useAsk(RunJudgementDocument, { id: run.id }, { nudge: run.seq, every: 2_000 })
  if (!data) return error ? <Trouble error={error} again={again} /> : <Loading what="scores" rows={5} />
  const branch = data.run?.branch
  const found = branch?.run?.evaluations.filter((e) => e.run?.id === run.id) ?? []
  if (found.length === 0)
    return (
      <Empty title={ended(run.status) ? 'Nothing was judged' : 'Judging'}>
        {ended(run.status) ? 'What the run said stands under Console.' : 'The scores appear here when all tasks are done.'}
      </Empty>
    )
  return (
    <>
      {found.map((e) => (
        <div key={e.suite} className="columns columns-wide">
          <Card title={`Scores on ${e.suite}`} flush>
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
                  {e.scores.map((s) => (
                    <tr key={`${s.task}|${s.metric}`}>
                      <th scope="row">{s.task}</th>
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
          </Card>
          <Card title="Judged">
            <Facts
              facts={[
                ['run', branch?.run && <RunLink run={branch.run} status />],
                ['step', formatInteger(e.step)],
                ['checkpoint', <Digest digest={e.checkpoint} />],
                ['suite', <Digest digest={e.suiteDigest} />],
                ['waited', formatSeconds(decode(e.secondsWaited))],
                ['took', formatSeconds(decode(e.seconds))],
                ['at', formatTime(e.at)],
              ]}
            />
          </Card>
        </div>
      ))}
      <Samples samples={found.flatMap((e) => e.samples.map((s) => ({ ...s, step: e.step })))} />
    </>
  )
}
