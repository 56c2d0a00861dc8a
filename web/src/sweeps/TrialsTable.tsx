import { memo, useMemo, useState } from 'react'
import { Link } from 'wouter'
import { formatInteger, formatValue } from '../format/number'
import { Pages } from '../parts/Pages'
import { Status } from '../parts/Status'
import { settingText, sorted, type Row } from './trials'

const pageSize = 100

// The trials, a page at a time, in the order of any column.
export const TrialsTable = memo(function TrialsTable({ rows, paths, metric, direction, best, halving, point }: { rows: readonly Row[]; paths: readonly string[]; metric: string; direction: string; best: string | null; halving: boolean; point: (run: string | null) => void }) {
  const [sort, setSort] = useState({ by: 'rank', descending: false })
  const [pages, setPages] = useState<string[]>([])
  const ordered = useMemo(() => sorted(rows, sort.by, sort.descending, direction), [rows, sort, direction])
  const page = Math.min(pages.length, Math.max(0, Math.ceil(ordered.length / pageSize) - 1))
  const shown = ordered.slice(page * pageSize, (page + 1) * pageSize)
  const columns: [id: string, name: string, right: boolean][] = [
    ['number', 'Trial', true],
    ['status', 'Status', false],
    ...(halving ? ([['steps', 'Steps', true]] as [string, string, boolean][]) : []),
    ['value', metric, true],
    ...paths.map((p): [string, string, boolean] => [p, p, rows.every((r) => typeof r.settings[p] !== 'string')]),
  ]
  const pick = (by: string) => {
    setPages([])
    // A third click gives the sweep's own order back.
    setSort(by !== sort.by ? { by, descending: by === 'value' && direction === 'max' } : sort.descending === (by === 'value' && direction === 'max') ? { by, descending: !sort.descending } : { by: 'rank', descending: false })
  }
  return (
    <>
      <div className="table-wrap">
        <table className="trials">
          <thead>
            <tr>
              {columns.map(([id, name, right]) => (
                <th key={id} scope="col" className={right ? 'right' : undefined} aria-sort={id === sort.by ? (sort.descending ? 'descending' : 'ascending') : undefined}>
                  <button type="button" onClick={() => pick(id)} title={`Sort by ${name}`}>
                    {name}
                    <span aria-hidden="true" className="arrow">
                      {id === sort.by ? (sort.descending ? '↓' : '↑') : '\u00a0'}
                    </span>
                  </button>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {shown.map((r) => (
              <tr key={r.number} onMouseEnter={() => point(r.run)} onMouseLeave={() => point(null)} onFocus={() => point(r.run)} onBlur={() => point(null)}>
                <td className="right num">
                  <Link href={`/run/${r.run}`}>{r.number}</Link>
                </td>
                <td>{r.status ? <Status status={r.status} /> : <span className="dim">refused</span>}</td>
                {halving && <td className="right num">{r.steps === null ? '' : formatInteger(r.steps)}</td>}
                <td className={r.run === best ? 'right num best' : 'right num'} title={r.scores.at(-1)?.message ?? undefined}>
                  {r.value === null ? <span className="dim">{r.scores.length > 0 ? 'none' : ''}</span> : formatValue(r.value)}
                </td>
                {columns.slice(halving ? 4 : 3).map(([path, , right]) => (
                  <td key={path} className={right ? 'right num' : undefined}>
                    {settingText(r.settings[path])}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <Pages cursors={pages.slice(0, page)} set={setPages} next={(page + 1) * pageSize < ordered.length ? String(page + 1) : null} size={pageSize} shown={shown.length} total={ordered.length} />
    </>
  )
})
