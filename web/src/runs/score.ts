import { decode } from '../format/number'
import type { RunRowFragment, ScorePartsFragment } from '../gen/graphql'

type Evaluation = RunRowFragment['evaluations'][number]

export interface Best {
  suite: string
  step: number
  score: ScorePartsFragment
  value: number
}

// The score that stands for a run in a list: of its newest evaluation the bits per byte, else the first score.
export function newestScore(evaluations: Evaluation[]): Best | null {
  let best: Best | null = null
  let at = -1
  for (const e of evaluations) {
    const score = e.scores.find((s) => s.metric === 'bits_per_byte') ?? e.scores[0]
    if (!score) continue
    // The newest step counts; of one step the evaluation with bits per byte.
    const rank = e.step * 2 + (score.metric === 'bits_per_byte' ? 1 : 0)
    if (rank < at) continue
    at = rank
    best = { suite: e.suite, step: e.step, score, value: decode(score.value) }
  }
  return best
}

export const metricKey = (b: Best): string => `eval/${b.suite}/${b.score.task}/${b.score.metric}`

export const metricName = (metric: string): string => metric.replaceAll('_', ' ')

// The value of exactly this key among metrics that were asked for by a pattern.
export function valueOf(metrics: { key: string; last: number | string }[], key: string): number | null {
  const found = metrics.find((m) => m.key === key)
  return found ? decode(found.last) : null
}
