import { useState } from 'react'
import { useClient, type AnyVariables, type TypedDocumentNode } from 'urql'
import { explain } from '../parts/State'

export interface Refusal {
  message: string
  hint?: string | null
}

interface Payload {
  userErrors: Refusal[]
}

export interface Wishing {
  busy: boolean
  // Why the last wish was refused; empty when it was granted.
  refusals: Refusal[]
  refuse: (message: string) => void
  // Answers with the payload of a wish that was granted, and with null when it was refused.
  wish: <Data, Variables extends AnyVariables, P extends Payload>(mutation: TypedDocumentNode<Data, Variables>, variables: Variables, payload: (data: Data) => P) => Promise<P | null>
}

// Sends wishes, one at a time, and keeps everything that speaks against the last one.
export function useWish(): Wishing {
  const client = useClient()
  const [busy, setBusy] = useState(false)
  const [refusals, setRefusals] = useState<Refusal[]>([])
  return {
    busy,
    refusals,
    refuse: (message) => setRefusals([{ message }]),
    wish: async (mutation, variables, payload) => {
      setBusy(true)
      const { data, error } = await client.mutation(mutation, variables).toPromise()
      setBusy(false)
      const answer = data === undefined ? null : payload(data)
      const refused = error ? [{ message: explain(error) }] : (answer?.userErrors ?? [{ message: 'The node did not answer.' }])
      setRefusals(refused)
      return refused.length > 0 ? null : answer
    },
  }
}
