import { Fragment, useState } from 'react'
import { decode, formatInteger, formatValue } from '../format/number'
import type { SeedSpreadFragment } from '../gen/graphql'
import { byImportance } from '../metrics/order'
import { Card } from '../parts/Card'
import { RunLink } from '../parts/RunLink'
import type { Comparison } from './ComparePage'

const atOnce = 8

// Runs that are one experiment done with several seeds, and how far its numbers spread: a difference between two runs that is
// smaller than that is no difference.
export function SeedsSide({ comparison }: { comparison: Comparison }) {
  if (comparison.seeds.length === 0) return null
  return (
    <Card title="Spread over seeds" flush aside={<span className="dim">mean ± standard deviation</span>}>
      <div className="table-wrap">
        <table className="sides">
          <thead>
            <tr>
              <th scope="col">of</th>
              <th scope="col" className="right">
                runs
              </th>
              <th scope="col" className="right">
                mean
              </th>
              <th scope="col" className="right">
                least
              </th>
              <th scope="col" className="right">
                greatest
              </th>
              <th scope="col">best</th>
            </tr>
          </thead>
          <tbody>
            {comparison.seeds.map((group, i) => (
              <GroupRows key={i} group={group} />
            ))}
          </tbody>
        </table>
      </div>
    </Card>
  )
}

function GroupRows({ group }: { group: Comparison['seeds'][number] }) {
  const [all, setAll] = useState(false)
  const by = new Map(group.metrics.map((m) => [m.key, m]))
  const rows: SeedSpreadFragment[] = [...group.scores, ...byImportance([...by.keys()]).flatMap((key) => by.get(key) ?? [])]
  const shown = all ? rows : rows.slice(0, atOnce)
  return (
    <Fragment>
      <tr className="branch">
        <th scope="rowgroup" colSpan={6}>
          {group.runs.map((r) => (
            <Fragment key={r.id}>
              <RunLink run={r} />{' '}
            </Fragment>
          ))}
          differ in {group.paths.length > 0 ? group.paths.join(', ') : 'nothing'}
        </th>
      </tr>
      {shown.map((s) => (
        <tr key={s.key}>
          <th scope="row" className="inner">
            {s.key}
          </th>
          <td className="right num">{formatInteger(s.n)}</td>
          <td className="right num">
            {formatValue(decode(s.mean))} <span className="dim">± {formatValue(decode(s.std), 2)}</span>
          </td>
          <td className="right num">{formatValue(decode(s.min))}</td>
          <td className="right num">{formatValue(decode(s.max))}</td>
          <td>{s.best && <RunLink run={s.best} />}</td>
        </tr>
      ))}
      {rows.length > shown.length && (
        <tr>
          <td colSpan={6}>
            <button type="button" className="small" onClick={() => setAll(true)}>
              Show all {rows.length}
            </button>
          </td>
        </tr>
      )}
    </Fragment>
  )
}
