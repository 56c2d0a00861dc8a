import { useEffect, useRef } from 'react'
import { useClient, type AnyVariables, type CombinedError, type TypedDocumentNode } from 'urql'
import { onEnd, pipe, subscribe } from 'wonka'

const soonest = 500 // ms until an ended subscription is opened again, doubled each time up to
const latest = 8_000

// Hands every value of a subscription to `take` for as long as the component is shown. `variables` null means: not now. The
// subscription is opened anew when the variables' contents change, and when the node ended it: a node that shuts down ends all.
export function useLive<Data, Variables extends AnyVariables>(
  document: TypedDocumentNode<Data, Variables>,
  variables: Variables | null,
  take: (data: Data) => void,
  refused?: (error: CombinedError) => void,
): void {
  const client = useClient()
  const handlers = useRef({ take, refused })
  handlers.current = { take, refused }
  const written = JSON.stringify(variables)
  useEffect(() => {
    if (written === 'null') return
    let left = false
    let wait = soonest
    let timer: ReturnType<typeof setTimeout> | undefined
    let leave = () => {}
    const open = () => {
      leave = pipe(
        client.subscription(document, JSON.parse(written) as Variables),
        onEnd(() => {
          if (left) return
          timer = setTimeout(open, wait)
          wait = Math.min(latest, 2 * wait)
        }),
        subscribe((result) => {
          if (result.error) handlers.current.refused?.(result.error)
          if (!result.data) return
          wait = soonest
          handlers.current.take(result.data)
        }),
      ).unsubscribe
    }
    open()
    return () => {
      left = true
      clearTimeout(timer)
      leave()
    }
  }, [client, document, written])
}
