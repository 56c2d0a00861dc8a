import { useEffect, useRef, useState } from 'react'
import { scan, start, type Found, type Place } from './scan'

export interface Scanned<T> {
  items: T[] | undefined
  error: Error | undefined
  // While the list to other questions is still shown, or none yet.
  busy: boolean
  // Items that were looked at for this page.
  read: number
  // How many pages lie before this one.
  page: number
  previous: (() => void) | null
  next: (() => void) | null
  again: () => void
}

// Pages through a list that is picked from what the node hands out; `question` names what is asked, and begins anew when it changes.
export function useScan<T>(question: string, page: (after: string | null) => Promise<{ nodes: readonly T[]; next: string | null }>, fits: (item: T) => boolean, size: number): Scanned<T> {
  const [places, setPlaces] = useState<{ of: string; list: Place[] }>({ of: question, list: [start] })
  const list = places.of === question ? places.list : [start]
  const [found, setFound] = useState<Found<T>>()
  const [error, setError] = useState<Error>()
  const [busy, setBusy] = useState(true)
  const [turn, setTurn] = useState(0)
  const asking = useRef({ page, fits })
  asking.current = { page, fits }
  const from = list.at(-1) ?? start
  useEffect(() => {
    let left = false
    setBusy(true)
    setError(undefined)
    const { page, fits } = asking.current
    const ask = (after: string | null) => (left ? Promise.resolve({ nodes: [], next: null }) : page(after))
    scan(ask, from, fits, size).then(
      (f) => !left && (setFound(f), setBusy(false)),
      (e: unknown) => !left && (setError(e instanceof Error ? e : new Error(String(e))), setBusy(false)),
    )
    return () => {
      left = true
    }
  }, [question, from.after, from.skip, size, turn])
  const next = found?.next
  return {
    items: found?.items,
    error,
    busy,
    read: found?.read ?? 0,
    page: list.length - 1,
    previous: list.length > 1 ? () => setPlaces({ of: question, list: list.slice(0, -1) }) : null,
    next: next && !busy ? () => setPlaces({ of: question, list: [...list, next] }) : null,
    again: () => setTurn(turn + 1),
  }
}
