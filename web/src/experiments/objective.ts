import { decode, type Wire } from '../format/number'

interface Objective {
  metric: string
  direction: string
}

export const objectiveWords = (o: Objective | null): string => (o ? `${o.direction === 'max' ? 'highest' : 'lowest'} ${o.metric}` : 'none')

// The best run's value of the objective's metric.
export function bestValue(e: { objective: Objective | null; best: { best: { key: string; last: Wire }[] } | null }): number | null {
  const found = e.best?.best.find((m) => m.key === e.objective?.metric)
  return found ? decode(found.last) : null
}
