import { useMemo, useState } from 'react'
import { useSearchParams } from 'wouter'
import { filterOf, read, write, type Asked } from './asked'
import type { Fault } from './fault'
import { Filters } from './Filters'
import { Groups } from './Groups'
import { RunsList } from './RunsList'

// Runs with all that picks, orders and groups them, as the address says; of one experiment when it is named, whose column is
// then left out.
export function RunsView({ experiment }: { experiment?: string }) {
  const [params, setParams] = useSearchParams()
  const written = params.toString()
  const asked = useMemo(() => read(new URLSearchParams(written)), [written])
  const set = (change: Partial<Asked>) => setParams((now) => write({ ...read(now), ...change }), { replace: true })
  const filter = useMemo(() => ({ ...filterOf(asked), ...(experiment ? { experiment } : {}) }), [asked, experiment])
  const [total, setTotal] = useState<number | null>(null)
  const [fault, setFault] = useState<Fault | null>(null)
  const shown = { filter, asked, set, onTotal: setTotal, onFault: setFault }
  return (
    <>
      <Filters asked={asked} set={set} total={experiment ? null : total} fault={fault} />
      {asked.group.trim() ? <Groups {...shown} /> : <RunsList {...shown} without={experiment ? 'experiment' : undefined} />}
    </>
  )
}
