import { useState } from 'react'
import { NudgeDocument } from '../gen/graphql'
import { useLive } from './useLive'

// Changes with each new fact of these types: for `useAsk`'s nudge, where nothing narrower is pushed.
export function useNudge(types: string[] | null): number {
  const [seq, set] = useState(0)
  useLive(NudgeDocument, types ? { types } : null, ({ events }) => set(events.seq))
  return seq
}
