import { decode, formatBytes, formatInteger, formatPercent, type Wire } from '../format/number'
import { Card } from '../parts/Card'
import { RunHeads } from './CompareHead'
import type { Colored, Comparison } from './ComparePage'

type Summary = NonNullable<NonNullable<Comparison['usage']>[number]>
type MeanMax = { mean: Wire; max: Wire }

const rows: [name: string, read: (of: Summary) => MeanMax | null, write: (x: number) => string][] = [
  ['cpu, of one core', (u) => u.cpuPercent, formatPercent],
  ['memory of the process', (u) => u.rss, formatBytes],
  ['memory of the machine', (u) => u.memoryUsed, formatBytes],
  ['gpu', (u) => u.gpuPercent, formatPercent],
  ['gpu memory', (u) => u.gpuMemoryUsed, formatBytes],
  ['gpu power', (u) => u.gpuWatts, (x) => `${formatInteger(x)} W`],
]

// What the runs' workers consumed: the mean over all samples, and the highest.
export function UsageSide(props: Colored) {
  const usage = props.comparison.usage
  if (!usage || usage.every((u) => u === null)) return null
  return (
    <Card title="Usage" flush aside={<span className="dim">mean, and highest sample</span>}>
      <div className="table-wrap">
        <table className="sides">
          <thead>
            <tr>
              <th scope="col">what</th>
              <RunHeads {...props} />
            </tr>
          </thead>
          <tbody>
            {rows.map(([name, read, write]) => {
              const values = usage.map((u) => (u ? read(u) : null))
              if (values.every((v) => v === null)) return null
              return (
                <tr key={name}>
                  <th scope="row">{name}</th>
                  {values.map((v, i) => (
                    <td key={i} className="right num">
                      {v === null ? (
                        <span className="dim">–</span>
                      ) : (
                        <>
                          {write(decode(v.mean))} <span className="dim">{write(decode(v.max))}</span>
                        </>
                      )}
                    </td>
                  ))}
                </tr>
              )
            })}
            <tr>
              <th scope="row">samples</th>
              {usage.map((u, i) => (
                <td key={i} className="right num dim">
                  {u ? formatInteger(u.samples) : '–'}
                </td>
              ))}
            </tr>
          </tbody>
        </table>
      </div>
    </Card>
  )
}
