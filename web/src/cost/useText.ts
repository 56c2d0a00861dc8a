import { useEffect, useState } from 'react'

// Text of a field that is told on after a pause, so that not every letter asks the node.
export function usePausedText(value: string, set: (value: string) => void): [string, (text: string) => void] {
  const [text, write] = useState(value)
  useEffect(() => write(value), [value])
  useEffect(() => {
    if (text === value) return
    const timer = setTimeout(() => set(text), 300)
    return () => clearTimeout(timer)
  }, [text])
  return [text, write]
}
