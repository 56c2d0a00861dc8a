import { formatInteger } from '../format/number'
import { Toggle } from '../parts/Toggle'
import { kinds, statuses, type Asked } from './asked'
import type { Fault } from './fault'
import { OrderMenu } from './OrderMenu'
import { SearchLine } from './SearchLine'

export function Filters({ asked, set, total, fault }: { asked: Asked; set: (change: Partial<Asked>) => void; total: number | null; fault: Fault | null }) {
  return (
    <form className="filters" role="search" onSubmit={(e) => e.preventDefault()}>
      <SearchLine where={asked.where} set={(where) => set({ where })} fault={fault?.argument === 'where' ? fault : null} />
      <select aria-label="Kind" value={asked.kind} onChange={(e) => set({ kind: e.target.value as Asked['kind'] })}>
        <option value="">any kind</option>
        {kinds.map((k) => (
          <option key={k} value={k}>
            {k.toLowerCase()}
          </option>
        ))}
      </select>
      <select aria-label="Status" value={asked.status} onChange={(e) => set({ status: e.target.value as Asked['status'] })}>
        <option value="">any status</option>
        {statuses.map((s) => (
          <option key={s} value={s}>
            {s.toLowerCase()}
          </option>
        ))}
      </select>
      {!asked.kind && (
        <Toggle on={asked.evaluations} set={(evaluations) => set({ evaluations })} title="Runs of kind evaluate, one for each checkpoint and suite">
          evaluations
        </Toggle>
      )}
      <Toggle on={asked.archived} set={(archived) => set({ archived })}>
        archived
      </Toggle>
      {asked.experiment && (
        <button type="button" className="chip" onClick={() => set({ experiment: '' })} aria-label="Show runs of all experiments">
          experiment {asked.experiment} ✕
        </button>
      )}
      <OrderMenu asked={asked} set={set} fault={fault} />
      <span className="spacer" />
      {total !== null && (
        <span className="dim num" role="status">
          {formatInteger(total)} {total === 1 ? 'run' : 'runs'}
        </span>
      )}
    </form>
  )
}
