import { useEffect, useRef } from 'react'
import { useQuery, type AnyVariables, type TypedDocumentNode } from 'urql'
import { useConnection } from './connection'
import { throttled } from './throttle'

export interface Asked<Data> {
  data: Data | undefined
  error: Error | undefined
  // True until the first answer.
  loading: boolean
  // True while an answer to other variables is still shown.
  stale: boolean
  again: () => void
}

// Asks a question once, again when the line of pushes came back, and again (at most every `every` milliseconds) when `nudge`
// changes: that is how pages follow facts that are not pushed themselves.
export function useAsk<Data, Variables extends AnyVariables>(
  query: TypedDocumentNode<Data, Variables>,
  variables: Variables,
  options: { nudge?: unknown; every?: number; pause?: boolean } = {},
): Asked<Data> {
  const { epoch } = useConnection()
  const [result, execute] = useQuery({ query, variables, pause: options.pause })
  const ask = useRef(() => {})
  ask.current = () => {
    if (!options.pause) execute({ requestPolicy: 'network-only' })
  }
  const slow = useRef<ReturnType<typeof throttled>>(undefined)
  slow.current ??= throttled(options.every ?? 2_000, () => ask.current())
  useEffect(() => () => slow.current?.cancel(), [])

  const first = useRef(true)
  useEffect(() => {
    if (!first.current) slow.current?.()
  }, [options.nudge])
  useEffect(() => {
    if (!first.current) ask.current()
    first.current = false
  }, [epoch])

  // A question that fails when it is asked again takes nothing away from what the node said before.
  const written = JSON.stringify(variables)
  const held = useRef<{ to: string; data: Data }>(undefined)
  if (result.data !== undefined && !result.stale) held.current = { to: written, data: result.data }
  const data = result.data ?? (held.current?.to === written ? held.current.data : undefined)

  return {
    data,
    error: result.error,
    loading: data === undefined && !result.error,
    stale: result.stale,
    again: () => ask.current(),
  }
}
