import { Link } from 'wouter'
import { RunContestsDocument, type ContestPlacesPartsFragment } from '../gen/graphql'
import { useAsk } from '../link/useAsk'
import { Card } from '../parts/Card'
import { Standings } from './Standings'

// Where runs stand in contests, each in a card of its own; nothing without one.
export function Places({ places }: { places: readonly ContestPlacesPartsFragment[] }) {
  return places.map(({ contest, standings }) => (
    <Card key={contest.id} title={`Judged in ${contest.name}`} flush aside={<Link href={`/judge/${contest.id}/results`}>Results</Link>}>
      <Standings standings={standings} mode={contest.mode} />
    </Card>
  ))
}

// Where a run's checkpoints stand in contests.
export function RunPlaces({ id, nudge }: { id: string; nudge: unknown }) {
  const { data } = useAsk(RunContestsDocument, { id }, { nudge, every: 5_000 })
  return <Places places={data?.run?.contests ?? []} />
}
