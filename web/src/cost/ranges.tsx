import type { ReactNode } from 'react'
import { decode } from '../format/number'
import type { SpreadFragment } from '../gen/graphql'

export type Row = [name: ReactNode, range: SpreadFragment | null | undefined, format: (x: number) => string]

// Figures that nobody knows exactly, in three columns; a row whose ends are equal has one.
export function Ranges({ rows }: { rows: Row[] }) {
  return (
    <table className="plain ranges">
      <thead>
        <tr>
          <th scope="col">
            <span className="hidden">what</span>
          </th>
          <th scope="col" className="right">low</th>
          <th scope="col" className="right">typical</th>
          <th scope="col" className="right">high</th>
        </tr>
      </thead>
      <tbody>
        {rows.map(([name, range, format], i) => {
          if (!range) return null
          const [low, typical, high] = [decode(range.low), decode(range.typical), decode(range.high)]
          const cell = (x: number) => (x === Infinity ? 'never' : format(x))
          return (
            <tr key={i}>
              <th scope="row">{name}</th>
              <td className="right num dim">{low === high ? '' : cell(low)}</td>
              <td className="right num">
                <b>{cell(typical)}</b>
              </td>
              <td className="right num dim">{low === high ? '' : cell(high)}</td>
            </tr>
          )
        })}
      </tbody>
    </table>
  )
}

// Dollars above a thousand as people say them: $1.5 M.
export function formatMoney(x: number): string {
  for (const [at, unit] of [[1e9, 'B'], [1e6, 'M'], [1e4, 'k']] as const) {
    const by = unit === 'k' ? 1e3 : at
    if (Math.abs(x) >= at) return `$${Number((x / by).toPrecision(3))} ${unit}`
  }
  if (x !== 0 && Math.abs(x) < 1) return `$${Number(x.toPrecision(2))}`
  return `$${x.toLocaleString('en-US', { maximumFractionDigits: Math.abs(x) < 100 ? 2 : 0 })}`
}

export const formatAmount = (x: number): string => (Math.abs(x) >= 100 ? Math.round(x).toLocaleString('en-US') : String(Number(x.toPrecision(3))))
