import { decode, formatInteger, formatValue } from '../format/number'
import { Card } from '../parts/Card'
import { AnswerLinks } from './AnswerLinks'
import { bestOf } from './best'
import { RunHeads } from './CompareHead'
import type { Colored } from './ComparePage'

export function ScoresTable(props: Colored) {
  const { comparison } = props
  if (comparison.scores.length === 0)
    return (
      <Card title="Scores">
        <p className="dim">No suite has judged any of these runs yet.</p>
      </Card>
    )
  return (
    <Card title="Scores" flush aside={<span className="dim">newest of each, ± standard error</span>}>
      <div className="table-wrap">
        <table className="sides">
          <thead>
            <tr>
              <th scope="col">suite / task</th>
              <RunHeads {...props} />
            </tr>
          </thead>
          <tbody>
            {comparison.scores.map((s) => {
              const values = s.values.map((v) => decode(v))
              const best = bestOf(values, s.higherIsBetter)
              return (
                <tr key={`${s.suite}|${s.task}|${s.metric}`}>
                  <th scope="row">
                    <span className="dim">{s.suite} /</span> {s.task} <span className="dim nowrap">{s.metric.replaceAll('_', ' ')} {s.higherIsBetter ? '↑' : '↓'}</span>
                  </th>
                  {values.map((v, i) => {
                    const stderr = decode(s.stderr[i])
                    const step = s.steps[i]
                    return (
                      <td key={i} className={best === i ? 'right num best' : 'right num'} title={step == null ? undefined : `at step ${formatInteger(step)}`}>
                        {formatValue(v)}
                        {stderr !== null && <span className="dim"> ±{formatValue(stderr, 2)}</span>}
                      </td>
                    )
                  })}
                </tr>
              )
            })}
          </tbody>
        </table>
      </div>
      <AnswerLinks comparison={comparison} />
    </Card>
  )
}
