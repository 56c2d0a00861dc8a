import { decode, formatCount, formatDollars, formatFlops, formatJoules } from '../format/number'
import { formatSeconds } from '../format/time'
import { Card } from '../parts/Card'
import { valueOf } from '../runs/score'
import { bestOf } from './best'
import { RunHeads } from './CompareHead'
import type { Colored, ComparedRun } from './ComparePage'

interface Row {
  name: string
  read: (run: ComparedRun) => number | null
  write: (x: number | null) => string
  // Whether more is better; null when neither is.
  more: boolean | null
}

const positive = (x: number) => (x > 0 ? x : null)

const rows: Row[] = [
  { name: 'cost', read: (r) => decode(r.cost.dollars), write: formatDollars, more: false },
  { name: 'duration', read: (r) => (r.startedAt ? decode(r.seconds) : null), write: formatSeconds, more: false },
  { name: 'device time', read: (r) => positive(decode(r.cost.deviceSeconds)), write: formatSeconds, more: false },
  { name: 'energy', read: (r) => decode(r.cost.joules), write: formatJoules, more: false },
  { name: 'tokens/s', read: (r) => valueOf(r.speed, 'tokens_per_second'), write: (x) => formatCount(x), more: true },
  { name: 'tokens', read: (r) => positive(r.cost.tokens), write: (x) => formatCount(x), more: null },
  { name: 'work', read: (r) => positive(decode(r.cost.flops)), write: formatFlops, more: null },
]

export function SpentTable(props: Colored) {
  const { runs } = props.comparison
  const unpriced = [...new Set(runs.flatMap((r) => r.cost.unpriced))]
  return (
    <Card title="Spent" flush>
      <div className="table-wrap">
        <table className="sides">
          <thead>
            <tr>
              <th scope="col">what</th>
              <RunHeads {...props} />
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => {
              const values = runs.map(row.read)
              if (values.every((v) => v === null)) return null
              const best = row.more === null ? null : bestOf(values, row.more)
              return (
                <tr key={row.name}>
                  <th scope="row">{row.name}</th>
                  {values.map((v, i) => (
                    <td key={i} className={best === i ? 'right num best' : 'right num'}>
                      {row.write(v)}
                    </td>
                  ))}
                </tr>
              )
            })}
          </tbody>
        </table>
      </div>
      {unpriced.length > 0 && <p className="warn">Not in the price book, so left out: {unpriced.join(', ')}.</p>}
    </Card>
  )
}
