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
      {done ? '✓' : <Sheets />}
    </button>
  )
}

const Sheets = () => (
  <svg width="12" height="12" viewBox="0 0 12 12" fill="none" stroke="currentColor" strokeWidth="1.2" aria-hidden="true">
    <rect x="1" y="3.5" width="7" height="7.5" rx="1.2" />
    <path d="M4 3.5V2.2C4 1.5 4.5 1 5.2 1h4.6c.7 0 1.2.5 1.2 1.2v5.1c0 .7-.5 1.2-1.2 1.2H8" />
  </svg>
)

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
