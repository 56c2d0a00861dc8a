import type { ReactNode } from 'react'
import { CombinedError } from 'urql'

export function Loading({ what, rows = 3 }: { what: string; rows?: number }) {
  return (
    <div className="loading" role="status" aria-label={`Loading ${what}`}>
      {Array.from({ length: rows }, (_, i) => (
        <i key={i} style={{ width: `${92 - ((i * 17) % 40)}%` }} />
      ))}
    </div>
  )
}

export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <h3>{title}</h3>
      {children}
    </div>
  )
}

// What went wrong, in words for the reader, with the way on.
export function Trouble({ error, again }: { error: Error; again?: () => void }) {
  return (
    <div className="trouble" role="alert">
      <p>{explain(error)}</p>
      {again && (
        <button type="button" onClick={again}>
          Try again
        </button>
      )}
    </div>
  )
}

export function explain(error: Error): string {
  if (error instanceof CombinedError) {
    if (error.networkError) return `The node does not answer: ${error.networkError.message}. Is millrace still running?`
    if (error.graphQLErrors.length > 0) return error.graphQLErrors.map((e) => e.message).join('; ')
  }
  return error.message
}
