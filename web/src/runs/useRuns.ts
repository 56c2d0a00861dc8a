import { useEffect, useMemo, useRef, useState } from 'react'
import type { RunFilter, RunOrder, RunRowFragment } from '../gen/graphql'
import { RunChangedDocument, RunsDocument } from '../gen/graphql'
import { throttled } from '../link/throttle'
import { useAsk } from '../link/useAsk'
import { useLive } from '../link/useLive'
import { ended } from '../parts/Status'
import { faultOf } from './fault'

const frame = 250 // ms: how often rows that were pushed are drawn
const unheard = 5_000 // ms: how often rows that may still change are asked for, since a push before the line was open is lost

export interface Runs {
  rows: RunRowFragment[] | undefined
  total: number
  error: Error | undefined
  stale: boolean
  next: string | null
  again: () => void
}

// One page of runs, kept true: a run that is shown changes in its place as soon as it is pushed; what may change the page's
// order or membership asks the node again, for it alone sorts and filters.
export function useRuns(filter: RunFilter, where: string, sort: string, orderBy: RunOrder, first: number, after: string | null): Runs {
  const asked = useAsk(RunsDocument, { filter, where, sort, orderBy: [orderBy], first, after })
  const held = useRef(asked.data?.runs)
  if (asked.data) held.current = asked.data.runs
  const faulty = asked.error !== undefined && faultOf(asked.error) !== null
  const page = faulty ? held.current : asked.data?.runs
  const [pushed, setPushed] = useState(new Map<string, RunRowFragment>())

  const waiting = useRef(new Map<string, RunRowFragment>())
  const draw = useRef(throttled(frame, () => {
    if (waiting.current.size === 0) return
    const fresh = waiting.current
    waiting.current = new Map()
    setPushed((old) => new Map([...old, ...fresh]))
  }))
  const latest = useRef({ again: asked.again, page })
  latest.current = { again: asked.again, page }
  const again = useRef(throttled(1_500, () => latest.current.again()))
  useEffect(() => {
    const timers = [draw.current, again.current]
    return () => timers.forEach((t) => t.cancel())
  }, [])

  const active = page?.nodes.some((r) => !ended(r.status)) ?? false
  useEffect(() => {
    if (!active) return
    const timer = setInterval(() => again.current(), unheard)
    return () => clearInterval(timer)
  }, [active])

  // An answer is as new as its question; pushes that it includes are dropped by their place in the log.
  useEffect(() => setPushed((old) => {
    const rows = new Map(page?.nodes.map((r) => [r.id, r]))
    const kept = [...old].filter(([id, r]) => (rows.get(id)?.seq ?? Infinity) < r.seq)
    return kept.length === old.size ? old : new Map(kept)
  }), [page])

  // Pushes are taken of all kinds that the filter admits; a status or text that no longer fits is found by asking again.
  useLive(RunChangedDocument, { filter: { kind: filter.kind, experiment: filter.experiment } }, ({ runChanged: run }) => {
    const shown = latest.current.page?.nodes.find((r) => r.id === run.id)
    if (shown) {
      waiting.current.set(run.id, run)
      draw.current()
      if (shown.status === run.status && orderBy.field === 'CREATED' && !sort && !where) return
    }
    again.current()
  })

  const rows = useMemo(() => page?.nodes.map((r) => {
    const p = pushed.get(r.id)
    return p && p.seq >= r.seq ? p : r
  }), [page, pushed])

  return {
    rows,
    total: page?.totalCount ?? 0,
    error: asked.error,
    stale: asked.stale || faulty,
    next: page?.pageInfo.hasNextPage ? (page.pageInfo.endCursor ?? null) : null,
    again: asked.again,
  }
}
