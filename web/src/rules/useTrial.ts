import { useEffect, useRef, useState } from 'react'
import { useClient } from 'urql'
import { onEnd, pipe, subscribe } from 'wonka'
import { TryRuleDocument, type DryRunRuleInput, type TrialPartsFragment } from '../gen/graphql'
import { explain } from '../parts/State'
import type { Refusal } from '../run/useWish'

export interface Trying {
  // How far it is; null while nothing is tried.
  progress: { folded: number; total: number } | null
  trial: TrialPartsFragment | null
  refusals: Refusal[]
  try: (input: DryRunRuleInput) => void
  stop: () => void
}

// Tries a rule against history, one at a time. A trial ends when the page is left; one that was cut off is not begun again.
export function useTrial(): Trying {
  const client = useClient()
  const [progress, setProgress] = useState<Trying['progress']>(null)
  const [trial, setTrial] = useState<TrialPartsFragment | null>(null)
  const [refusals, setRefusals] = useState<Refusal[]>([])
  const leave = useRef(() => {})
  useEffect(() => () => leave.current(), [])
  const stop = () => {
    leave.current()
    leave.current = () => {}
    setProgress(null)
  }
  return {
    progress,
    trial,
    refusals,
    stop,
    try: (input) => {
      stop()
      setTrial(null)
      setRefusals([])
      setProgress({ folded: 0, total: 0 })
      let answered = false
      const end = (refused: Refusal[]) => {
        answered = true
        setRefusals(refused)
        stop()
      }
      leave.current = pipe(
        client.subscription(TryRuleDocument, { input }),
        onEnd(() => {
          if (answered) return
          setProgress(null)
          setRefusals([{ message: 'The trial was cut off.', hint: 'Try again.' }])
        }),
        subscribe(({ data, error }) => {
          if (error) return end([{ message: explain(error) }])
          const told = data?.ruleTrial
          if (!told) return
          if (told.userErrors.length > 0) return end(told.userErrors)
          if (told.trial) {
            setTrial(told.trial)
            return end([])
          }
          setProgress({ folded: told.folded ?? 0, total: told.total ?? 0 })
        }),
      ).unsubscribe
    },
  }
}
