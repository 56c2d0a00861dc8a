import { useMemo, useState } from 'react'
import { useSearchParams } from 'wouter'
import { useTitle } from '../parts/title'
import { filterOf, read, write, type Asked } from './asked'
import { Filters } from './Filters'
import { RunsList } from './RunsList'

export function RunsPage() {
  useTitle('Runs')
  const [params, setParams] = useSearchParams()
  const written = params.toString()
  const asked = useMemo(() => read(new URLSearchParams(written)), [written])
  const set = (change: Partial<Asked>) => setParams(write({ ...asked, ...change }), { replace: true })
  const filter = useMemo(() => filterOf(asked), [asked])
  const [total, setTotal] = useState<number | null>(null)
  return (
    <>
      <h1 className="hidden">Runs</h1>
      <Filters asked={asked} set={set} total={total} />
      <RunsList filter={filter} asked={asked} set={set} onTotal={setTotal} />
    </>
  )
}
