import { useSyncExternalStore } from 'react'

export type State = 'idle' | 'connecting' | 'live' | 'lost'

export interface Connection {
  state: State
  // Counts how often the line came back. What happened while it was down was not pushed, so whoever shows live data asks again
  // when this changes.
  epoch: number
}

interface Line {
  readyState: number
  close(code: number, reason: string): void
}

// The line of pushes as the page sees it: a value to subscribe to, moved by the socket's own events.
export function createConnection() {
  let now: Connection = { state: 'idle', epoch: 0 }
  let opened = false
  let line: Line | undefined
  let alive: ReturnType<typeof setTimeout> | undefined
  const watchers = new Set<() => void>()
  const set = (next: Partial<Connection>) => {
    now = { ...now, ...next }
    for (const tell of watchers) tell()
  }
  return {
    get: () => now,
    watch: (tell: () => void) => {
      watchers.add(tell)
      return () => watchers.delete(tell)
    },
    listeners: {
      connecting: (isRetry: boolean) => set({ state: isRetry ? 'lost' : 'connecting' }),
      connected: () => {
        set({ state: 'live', epoch: opened ? now.epoch + 1 : now.epoch })
        opened = true
      },
      closed: (event: unknown) => {
        clearTimeout(alive)
        // 1000 is a good-bye: nothing on the page needs pushes any more.
        set({ state: (event as { code?: number } | undefined)?.code === 1000 ? 'idle' : 'lost' })
      },
      // A line that is up but answers no ping within 5 s is down; closing it starts the way back.
      opened: (raw: unknown) => {
        clearTimeout(alive)
        line = raw as Line
      },
      ping: (received: boolean) => {
        if (received) return
        clearTimeout(alive)
        alive = setTimeout(() => {
          if (line?.readyState === 1) line.close(4408, 'no answer to ping')
        }, 5_000)
      },
      pong: (received: boolean) => {
        if (received) clearTimeout(alive)
      },
    },
  }
}

export const connection = createConnection()

export const useConnection = (): Connection => useSyncExternalStore(connection.watch, connection.get)
