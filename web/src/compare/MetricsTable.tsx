import { useState } from 'react'
import { decode, formatInteger, formatPercent, formatValue } from '../format/number'
import { Card } from '../parts/Card'
import { Choice } from '../parts/Toggle'
import { bestOf, change, direction } from './best'
import { byImportance } from '../metrics/order'
import { RunHeads } from './CompareHead'
import type { Colored } from './ComparePage'

const atOnce = 15

export function MetricsTable(props: Colored) {
  const { metrics } = props.comparison
  const [of, setOf] = useState<'last' | 'min' | 'max'>('last')
  const [search, setSearch] = useState('')
  const [all, setAll] = useState(false)
  const by = new Map(metrics.map((m) => [m.key, m]))
  const fitting = byImportance([...by.keys()].filter((key) => key.toLowerCase().includes(search.toLowerCase()))).flatMap((key) => by.get(key) ?? [])
  const shown = all ? fitting : fitting.slice(0, atOnce)
  if (metrics.length === 0)
    return (
      <Card title="Metrics">
        <p className="dim">No metric was logged by at least two of these runs.</p>
      </Card>
    )
  return (
    <Card title="Metrics" flush aside={<Choice label="Which value" of={['last', 'min', 'max'] as const} value={of} set={setOf} />}>
      {metrics.length > atOnce && <input type="search" className="inset" placeholder={`Search ${metrics.length} metrics`} aria-label="Search metrics" value={search} onChange={(e) => setSearch(e.target.value)} />}
      <div className="table-wrap">
        <table className="sides">
          <thead>
            <tr>
              <th scope="col">metric</th>
              <RunHeads {...props} />
            </tr>
          </thead>
          <tbody>
            {shown.map((m) => {
              const values = m[of].map((v) => decode(v))
              const more = direction(m.key)
              const best = more === null ? null : bestOf(values, more)
              return (
                <tr key={m.key}>
                  <th scope="row">{m.key}</th>
                  {values.map((v, i) => {
                    const by = i === 0 ? null : change(v, values[0] ?? null)
                    const step = m.lastStep[i]
                    return (
                      <td
                        key={i}
                        className={best === i ? 'right num best' : 'right num'}
                        title={[of === 'last' && step != null ? `at step ${formatInteger(step)}` : '', by ? `${by.by > 0 ? '+' : ''}${formatValue(by.by, 3)}${by.share === null ? '' : ` (${by.share > 0 ? '+' : ''}${formatPercent(by.share * 100)})`} against the first` : ''].filter(Boolean).join('; ')}
                      >
                        {formatValue(v)}
                      </td>
                    )
                  })}
                </tr>
              )
            })}
          </tbody>
        </table>
      </div>
      {!all && fitting.length > shown.length && (
        <button type="button" className="inset" onClick={() => setAll(true)}>
          Show all {fitting.length}
        </button>
      )}
    </Card>
  )
}
