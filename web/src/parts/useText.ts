import { useEffect, useState } from 'react'

// Text of a field that is told on after a pause (in milliseconds), so that not every letter asks the node.
export function usePausedText(value: string, set: (value: string) => void, pause = 300): [string, (text: string) => void] {
  const [text, write] = useState(value)
  useEffect(() => write(value), [value])
  useEffect(() => {
    if (text === value) return
    const timer = setTimeout(() => set(text), pause)
    return () => clearTimeout(timer)
  }, [text])
  return [text, write]
}
