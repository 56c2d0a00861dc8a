import { useState } from 'react'
import { decode, formatInteger, formatValue } from '../format/number'
import { CompareAlignedDocument } from '../gen/graphql'
import { useAsk } from '../link/useAsk'
import { Card } from '../parts/Card'
import { Loading, Trouble } from '../parts/State'
import { looks, type XAxis } from './axis'
import { bestOf, direction } from './best'
import { RunHeads } from './CompareHead'
import type { Colored } from './ComparePage'

const places = 11 // from the first run's beginning to the last one's end

// One metric of all runs at the same places of the axis, as the node lays them beside each other.
export function AlignedTable({ keys, axis, nudge, ...props }: Colored & { keys: string[]; axis: XAxis; nudge: string }) {
  const { comparison } = props
  const [picked, pick] = useState('')
  const key = keys.includes(picked) ? picked : (keys[0] ?? '')
  const { data, error, stale, again } = useAsk(CompareAlignedDocument, { ids: comparison.runs.map((r) => r.id), keys: [key], by: looks[axis].asked, places }, { nudge, every: 3_000, pause: key === '' })
  const of = data?.compareRuns.aligned.find((a) => a.key === key)
  const more = direction(key)
  const missing = comparison.runs.flatMap((r, i) => (of?.runs[i]?.missing ? [`${r.name || r.id}: ${of.runs[i].missing}`] : []))
  return (
    <Card
      title={`At the same ${axis === 'step' ? 'steps' : axis}`}
      flush
      aside={
        <select aria-label="Metric at the same places" value={key} onChange={(e) => pick(e.target.value)}>
          {keys.map((k) => (
            <option key={k}>{k}</option>
          ))}
        </select>
      }
    >
      {error && !of && <Trouble error={error} again={again} />}
      {!error && !of && <Loading what="aligned values" />}
      {of && (
        <div className={stale ? 'table-wrap table-stale' : 'table-wrap'}>
          <table className="sides aligned">
            <thead>
              <tr>
                <th scope="col">{looks[axis].title}</th>
                <RunHeads {...props} />
              </tr>
            </thead>
            <tbody>
              {of.x.map((x, row) => {
                const values = of.runs.map((r) => decode(r.values[row]))
                const best = more === null ? null : bestOf(values, more)
                return (
                  <tr key={row}>
                    <th scope="row" className="num">
                      {looks[axis].format(decode(x))}
                    </th>
                    {of.runs.map((r, i) => {
                      const step = r.steps[row]
                      // A run that has ended keeps its last value; it is pale from there on.
                      const old = row > 0 && step !== null && step === r.steps[row - 1]
                      return (
                        <td key={r.run} className={`right num${best === i ? ' best' : old ? ' dim' : ''}`} title={step == null ? 'not begun' : `logged at step ${formatInteger(step)}`}>
                          {formatValue(values[i])}
                        </td>
                      )
                    })}
                  </tr>
                )
              })}
            </tbody>
          </table>
        </div>
      )}
      {missing.length > 0 && <p className="warn">{missing.join('; ')}</p>}
    </Card>
  )
}
