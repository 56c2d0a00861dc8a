import { useTable, type RowSelectionState, type SortingState, type Updater } from '@tanstack/react-table'
import type { RunRowFragment } from '../gen/graphql'
import { columns, features, numeric, sortable } from './columns'

export interface RunsTableProps {
  rows: RunRowFragment[]
  sort: string
  descending: boolean
  onSort: (sort: string, descending: boolean) => void
  selected: RowSelectionState
  onSelect: (selected: RowSelectionState) => void
  hidden: Record<string, boolean>
  stale: boolean
}

const idOf = (run: RunRowFragment) => run.id
const apply = <T,>(update: Updater<T>, old: T): T => (typeof update === 'function' ? (update as (old: T) => T)(old) : update)

// Columns whose best value is usually the smallest start ascending, the others descending.
const ascendingFirst = new Set(['name', 'kind', 'status', 'experiment', 'by', 'train_loss', 'val_loss', 'score'])

export function RunsTable({ rows, sort, descending, onSort, selected, onSelect, hidden, stale }: RunsTableProps) {
  const sorting: SortingState = [{ id: sort, desc: descending }]
  const table = useTable({
    features,
    columns,
    data: rows,
    getRowId: idOf,
    manualSorting: true,
    state: { sorting, rowSelection: selected, columnVisibility: hidden },
    onRowSelectionChange: (update) => onSelect(apply(update, selected)),
  })
  const pick = (id: string) => onSort(id, id === sort ? !descending : !ascendingFirst.has(id))

  return (
    <div className={stale ? 'table-wrap table-stale' : 'table-wrap'}>
      <table className="runs">
        <thead>
          {table.getHeaderGroups().map((group) => (
            <tr key={group.id}>
              {group.headers.map((header) => {
                const id = header.column.id
                const ordered = id === sort
                return (
                  <th
                    key={header.id}
                    scope="col"
                    className={`col-${id}${numeric.has(id) ? ' right' : ''}`}
                    aria-sort={ordered ? (descending ? 'descending' : 'ascending') : undefined}
                  >
                    {sortable.has(id) ? (
                      <button type="button" onClick={() => pick(id)}>
                        <table.FlexRender header={header} />
                        <span aria-hidden="true" className="arrow">
                          {ordered ? (descending ? '↓' : '↑') : '\u00a0'}
                        </span>
                      </button>
                    ) : (
                      <table.FlexRender header={header} />
                    )}
                  </th>
                )
              })}
            </tr>
          ))}
        </thead>
        <tbody>
          {table.getRowModel().rows.map((row) => (
            <tr key={row.id} data-run={row.id} aria-selected={row.getIsSelected() || undefined}>
              {row.getVisibleCells().map((cell) => (
                <td key={cell.id} className={`col-${cell.column.id}${numeric.has(cell.column.id) ? ' right num' : ''}`}>
                  <table.FlexRender cell={cell} />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
