import { useEffect, useMemo, useState } from 'react'
import type { RowSelectionState } from '@tanstack/react-table'
import { Link, useLocation } from 'wouter'
import type { RunFilter } from '../gen/graphql'
import { Command } from '../parts/Command'
import { Pages } from '../parts/Pages'
import { Empty, Loading, Trouble } from '../parts/State'
import { orderOf, type Asked } from './asked'
import { ColumnMenu, useHidden } from './ColumnMenu'
import { RunsTable } from './RunsTable'
import { faultOf, type Fault } from './fault'
import { metricKey, newestScore } from './score'
import { useRuns } from './useRuns'

const pageSize = 100

// A page of the table with its selection, pages and empty states; an experiment's leaves one column out. A condition that the
// node finds fault with leaves the list as it was.
export function RunsList({ filter, asked, set, onTotal, onFault, without }: { filter: RunFilter; asked: Asked; set: (change: Partial<Asked>) => void; onTotal: (total: number) => void; onFault: (fault: Fault | null) => void; without?: string }) {
  const [scoreKey, setScoreKey] = useState<string | null>(null)
  const orderBy = useMemo(() => orderOf(asked, scoreKey), [asked.sort, asked.descending, scoreKey])
  const [cursors, setCursors] = useState<string[]>([])
  useEffect(() => setCursors([]), [filter, asked.where, asked.order, orderBy])
  const runs = useRuns(filter, asked.where, asked.order, orderBy, pageSize, cursors.at(-1) ?? null)
  const [selected, setSelected] = useState<RowSelectionState>({})
  const [hidden, setHidden] = useHidden()
  const [, go] = useLocation()

  useEffect(() => {
    if (runs.rows) onTotal(runs.total)
  }, [runs.rows, runs.total])
  const fault = useMemo(() => faultOf(runs.error), [runs.error])
  useEffect(() => onFault(fault), [fault])
  useEffect(() => {
    if (scoreKey || !runs.rows) return
    for (const run of runs.rows) {
      const best = newestScore(run.evaluations)
      if (best) return setScoreKey(metricKey(best))
    }
  }, [runs.rows, scoreKey])

  const ids = Object.keys(selected).filter((id) => selected[id])
  if (fault && !runs.rows) return null
  if (runs.error && !runs.rows) return <Trouble error={runs.error} again={runs.again} />
  if (!runs.rows) return <Loading what="runs" rows={8} />
  const filtered = Boolean(asked.where || asked.kind || asked.status)
  if (runs.rows.length === 0 && cursors.length === 0) return filtered ? <NothingFits set={set} /> : <NoRuns />
  return (
    <>
      {runs.error && !fault && <Trouble error={runs.error} again={runs.again} />}
      <RunsTable
        rows={runs.rows}
        sort={asked.order ? '' : asked.sort}
        descending={asked.descending}
        onSort={(sort, descending) => set({ sort, descending, order: '' })}
        selected={selected}
        onSelect={setSelected}
        hidden={without ? { ...hidden, [without]: false } : hidden}
        stale={runs.stale}
      />
      <div className="table-foot">
        <ColumnMenu hidden={hidden} set={setHidden} />
        <span className="spacer" />
        <Pages cursors={cursors} set={setCursors} next={runs.next} size={pageSize} shown={runs.rows.length} total={runs.total} />
      </div>
      {ids.length > 0 && (
        <div className="selection" role="region" aria-label="Selected runs">
          <span>
            <b className="num">{ids.length}</b> selected
          </span>
          <button type="button" className="primary" disabled={ids.length < 2 || ids.length > 50} onClick={() => go(`/compare?ids=${ids.join(',')}`)}>
            Compare
          </button>
          {ids.length < 2 && <span className="dim">select one more to compare</span>}
          {ids.length > 50 && <span className="dim">at most 50 can be compared</span>}
          <button type="button" onClick={() => setSelected({})}>
            Clear
          </button>
        </div>
      )}
    </>
  )
}

const NoRuns = () => (
  <Empty title="No runs yet">
    <p>Start the first one from the command line; it appears here by itself.</p>
    <ul className="commands">
      <li>
        Text into a dataset <Command>millrace curate --help</Command>
      </li>
      <li>
        A model from scratch <Command>millrace train --help</Command>
      </li>
    </ul>
  </Empty>
)

const NothingFits = ({ set }: { set: (change: Partial<Asked>) => void }) => (
  <Empty title="No run fits">
    <p>
      <button type="button" onClick={() => set({ where: '', kind: '', status: '' })}>
        Show all runs
      </button>{' '}
      or look among <Link href="/?evaluations=1&archived=1">evaluations and archived runs</Link>.
    </p>
  </Empty>
)
