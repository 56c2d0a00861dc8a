import { RunFiringsDocument } from '../gen/graphql'
import { useAsk } from '../link/useAsk'
import { Card } from '../parts/Card'
import { Firings } from './Firings'

// What rules did about a run; nothing where they did nothing.
export function RunFirings({ id, nudge }: { id: string; nudge: unknown }) {
  const firings = useAsk(RunFiringsDocument, { run: id }, { nudge, every: 5_000 }).data?.ruleFirings ?? []
  if (firings.length === 0) return null
  return (
    <Card title="What rules did about it" flush>
      <Firings of={firings} rules />
    </Card>
  )
}
