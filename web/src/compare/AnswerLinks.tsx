import { Link } from 'wouter'
import { RunsJudgedDocument, type RunsJudgedQuery } from '../gen/graphql'
import { useAsk } from '../link/useAsk'
import type { Comparison } from './ComparePage'

type Judged = Exclude<NonNullable<RunsJudgedQuery['nodes'][number]>, Record<PropertyKey, never>>

// Where two runs' answers stand side by side: the first one's newest on each suite against those of the others.
export function AnswerLinks({ comparison }: { comparison: Comparison }) {
  const ids = comparison.runs.map((r) => r.id)
  const { data } = useAsk(RunsJudgedDocument, { ids })
  const newest = (id: string) => {
    const run = data?.nodes.find((n) => n && 'id' in n && n.id === id) as Judged | undefined
    const by = new Map<string, { judge: string; step: number }>()
    for (const e of run?.evaluations ?? []) if (e.run && e.answerCount > 0 && (by.get(e.suite)?.step ?? -1) <= e.step) by.set(e.suite, { judge: e.run.id, step: e.step })
    return by
  }
  const [first, ...others] = ids
  if (!data || first === undefined) return null
  const was = newest(first)
  const links = others.flatMap((id) => [...newest(id)].flatMap(([suite, e]) => ({ id, suite, judge: e.judge, against: was.get(suite)?.judge })).filter((l) => l.against !== undefined))
  if (links.length === 0) return null
  const name = (id: string) => comparison.runs.find((r) => r.id === id)?.name || id
  return (
    <p className="answer-links dim">
      Which answers changed from {name(first)} to{' '}
      {links.map((l, i) => (
        <span key={`${l.id}${l.suite}`}>
          {i > 0 && ', '}
          <Link href={`/run/${l.judge}/answers?against=${l.against}`}>
            {name(l.id)} on {l.suite}
          </Link>
        </span>
      ))}
    </p>
  )
}
