import { decode, formatValue } from '../format/number'
import type { ScorePartsFragment } from '../gen/graphql'

export interface ScoreColumn {
  id: string
  suite: string
  task: string
  metric: string
  higherIsBetter: boolean
  // Step of the best value.
  best: number | null
}

interface Judged {
  step: number
  evaluations: { suite: string; scores: ScorePartsFragment[] }[]
}

// One column for each suite, task and metric that any checkpoint was judged by, in order of first appearance.
export function columnsOf(checkpoints: Judged[]): ScoreColumn[] {
  const by = new Map<string, ScoreColumn & { value: number }>()
  for (const c of checkpoints)
    for (const e of c.evaluations)
      for (const s of e.scores) {
        const id = `${e.suite}|${s.task}|${s.metric}`
        const value = decode(s.value)
        const known = by.get(id)
        if (!known) by.set(id, { id, suite: e.suite, task: s.task, metric: s.metric, higherIsBetter: s.higherIsBetter, best: Number.isNaN(value) ? null : c.step, value })
        else if (known.best === null || (s.higherIsBetter ? value > known.value : value < known.value)) {
          if (Number.isNaN(value)) continue
          known.best = c.step
          known.value = value
        }
      }
  return [...by.values()]
}

export const scoreIn = (evaluations: Judged['evaluations'], column: ScoreColumn): ScorePartsFragment | undefined =>
  evaluations.find((e) => e.suite === column.suite)?.scores.find((s) => s.task === column.task && s.metric === column.metric)

export function ScoreValue({ score }: { score: { value: number | string; stderr: number | string | null } }) {
  const stderr = decode(score.stderr)
  return (
    <>
      {formatValue(decode(score.value))}
      {stderr !== null && <span className="dim"> ±{formatValue(stderr, 2)}</span>}
    </>
  )
}
