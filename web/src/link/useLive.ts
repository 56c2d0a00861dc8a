import { useEffect, useRef } from 'react'
import { useClient, type AnyVariables, type CombinedError, type TypedDocumentNode } from 'urql'

// Hands every value of a subscription to `take` for as long as the component is shown. `variables` null means: not now. The
// subscription is opened anew when the variables' contents change.
export function useLive<Data, Variables extends AnyVariables>(
  document: TypedDocumentNode<Data, Variables>,
  variables: Variables | null,
  take: (data: Data) => void,
  refused?: (error: CombinedError) => void,
): void {
  const client = useClient()
  const latest = useRef({ take, refused })
  latest.current = { take, refused }
  const written = JSON.stringify(variables)
  useEffect(() => {
    if (written === 'null') return
    const { unsubscribe } = client
      .subscription(document, JSON.parse(written) as Variables)
      .subscribe((result) => {
        if (result.error) latest.current.refused?.(result.error)
        if (result.data) latest.current.take(result.data)
      })
    return unsubscribe
  }, [client, document, written])
}
