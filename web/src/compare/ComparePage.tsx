import { useEffect, useMemo, useRef } from 'react'
import { Link, useSearchParams } from 'wouter'
import { usePalette } from '../chart/palette'
import { CompareDocument, RunNudgeDocument, type CompareQuery } from '../gen/graphql'
import { throttled } from '../link/throttle'
import { Places } from '../judge/Places'
import { useAsk } from '../link/useAsk'
import { useLive } from '../link/useLive'
import { Empty, Loading, Trouble } from '../parts/State'
import { useTitle } from '../parts/title'
import { ConfigTable } from './ConfigTable'
import { CompareCurves } from './CompareCurves'
import { CompareHead } from './CompareHead'
import { MetricsTable } from './MetricsTable'
import { Reproduced } from './Reproduced'
import { SamplesSide } from './SamplesSide'
import { ScoresTable } from './ScoresTable'
import { SeedsSide } from './SeedsSide'
import { SpentTable } from './SpentTable'
import { UsageSide } from './UsageSide'

export type Comparison = CompareQuery['compareRuns']
export type ComparedRun = Comparison['runs'][number]
export interface Colored {
  comparison: Comparison
  color: (index: number) => string
}

export function ComparePage() {
  useTitle('Compare')
  const [params, setParams] = useSearchParams()
  const ids = useMemo(() => [...new Set((params.get('ids') ?? '').split(',').filter(Boolean))], [params.get('ids')])
  if (ids.length < 2)
    return (
      <Empty title={ids.length === 0 ? 'Nothing to compare yet' : 'One run alone cannot be compared'}>
        <p>
          Select two or more <Link href="/">runs</Link> in the table and press Compare. The address of this page can be shared.
        </p>
      </Empty>
    )
  const without = (id: string) => {
    const next = new URLSearchParams(params)
    next.set('ids', ids.filter((i) => i !== id).join(','))
    setParams(next)
  }
  return <Side ids={ids} without={ids.length > 2 ? without : undefined} />
}

function Side({ ids, without }: { ids: string[]; without?: (id: string) => void }) {
  const { data, error, loading, stale, again } = useAsk(CompareDocument, { ids, few: ids.length <= 50 })
  const color = usePalette()
  const comparison = data?.compareRuns
  const latest = useRef(again)
  latest.current = again
  const slow = useRef(throttled(3_000, () => latest.current()))
  useEffect(() => () => slow.current.cancel(), [])
  useLive(RunNudgeDocument, { filter: { ids } }, () => slow.current())

  if (error && !comparison) return <Trouble error={error} again={again} />
  if (loading || !comparison) return <Loading what="comparison" rows={10} />
  const with_ = { comparison, color }
  return (
    <article className={stale ? 'compare table-stale' : 'compare'}>
      <h1 className="hidden">Comparison of {comparison.runs.length} runs</h1>
      {error && <Trouble error={error} again={again} />}
      <CompareHead {...with_} without={without} />
      <Reproduced comparison={comparison} />
      <CompareCurves {...with_} />
      <div className="columns columns-even">
        <ConfigTable {...with_} />
        <ScoresTable {...with_} />
        <Places places={comparison.contests} />
        <SeedsSide comparison={comparison} />
        <SpentTable {...with_} />
        <UsageSide {...with_} />
        <MetricsTable {...with_} />
      </div>
      <SamplesSide {...with_} />
    </article>
  )
}
