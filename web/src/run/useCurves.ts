import { useEffect, useMemo, useRef, useState } from 'react'
import type { Range } from '../chart/Chart'
import { decodeCurve, extendAll, type Curve } from '../chart/curve'
import { RunPointsDocument, RunSeriesDocument } from '../gen/graphql'
import { throttled } from '../link/throttle'
import { useAsk } from '../link/useAsk'
import { useLive } from '../link/useLive'

// Points a chart is asked for: about one for each of its pixels.
const maxPoints = 600
// A chart that has grown by so many pushed points is thinned again by the node.
const tooMany = 4 * maxPoints

// The curves of some metrics of a run: what the node has, thinned to what a screen can show, and every point it pushes since.
// `history` changes when the run was resumed and did some of its steps again, or was rewound.
export function useCurves(id: string, keys: string[], range: Range | null, live: boolean, history: string) {
  const wanted = range ? { fromStep: Math.floor(range[0]), toStep: Math.ceil(range[1]) } : {}
  const { data, error, stale, again } = useAsk(RunSeriesDocument, { id, keys, maxPoints, ...wanted }, { nudge: `${history}|${live}`, every: 250, pause: keys.length === 0 })
  const base = useMemo(() => data?.run?.series.map(decodeCurve), [data])

  const [added, setAdded] = useState<Curve[]>([])
  const waiting = useRef<Curve[]>([])
  const draw = useRef(throttled(200, () => {
    const fresh = waiting.current
    waiting.current = []
    setAdded((old) => extendAll(old, fresh))
  }))
  useEffect(() => () => draw.current.cancel(), [])
  useEffect(() => {
    waiting.current = []
    setAdded([])
  }, [base])

  // The oldest of the curves' last steps: evaluations come in at steps that training left long ago.
  const afterStep = useMemo(() => (base && base.length > 0 ? Math.min(...base.map((c) => c.steps.at(-1) ?? -1)) : null), [base])
  const variables = live && !range && base && keys.length > 0 ? { id, keys, afterStep } : null
  useLive(RunPointsDocument, variables, ({ points }) => {
    waiting.current.push(...points.map(decodeCurve))
    draw.current()
  })

  const grown = added.reduce((n, c) => Math.max(n, c.steps.length), 0)
  useEffect(() => {
    if (grown > tooMany) again()
  }, [grown > tooMany])

  const curves = useMemo(() => (base ? extendAll(base, added) : undefined), [base, added])
  return { curves, error, stale, again }
}
