import { useState } from 'react'

// Text that people take with them: a command or a digest, with a button that copies it.
export function Copy({ text, label = 'Copy' }: { text: string; label?: string }) {
  const [done, setDone] = useState(false)
  return (
    <button
      type="button"
      className="copy"
      aria-label={`${label}: ${text}`}
      title={text}
      onClick={async () => {
        try {
          await navigator.clipboard.writeText(text)
          setDone(true)
          setTimeout(() => setDone(false), 1200)
        } catch {
          window.prompt('Copy:', text) // pages served over plain HTTP by a remote host have no clipboard
        }
      }}
    >
      {done ? '✓' : '⧉'}
    </button>
  )
}

export function Command({ children }: { children: string }) {
  return (
    <span className="command">
      <code>{children}</code>
      <Copy text={children} label="Copy command" />
    </span>
  )
}

export function Digest({ digest }: { digest: string }) {
  if (!digest) return <span className="dim">–</span>
  return (
    <span className="digest">
      <code title={digest}>{digest.replace(/^sha256:/, '').slice(0, 12)}</code>
      <Copy text={digest} label="Copy digest" />
    </span>
  )
}
