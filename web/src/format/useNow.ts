import { useEffect, useState } from 'react'

// The time, moving every `every` milliseconds while `moving`.
export function useNow(every = 1000, moving = true): number {
  const [now, set] = useState(() => Date.now())
  useEffect(() => {
    if (!moving) return
    set(Date.now())
    const timer = setInterval(() => set(Date.now()), every)
    return () => clearInterval(timer)
  }, [every, moving])
  return now
}
