import type { ReactNode } from 'react'

// A list of named values; entries without a value are left out.
export function Facts({ facts }: { facts: [name: string, value: ReactNode][] }) {
  return (
    <dl className="facts">
      {facts
        .filter(([, value]) => value !== null && value !== undefined && value !== '')
        .map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  )
}

export function Figure({ name, value, note }: { name: string; value: ReactNode; note?: ReactNode }) {
  return (
    <div className="figure">
      <span className="figure-name">{name}</span>
      <span className="figure-value num">{value}</span>
      {note && <span className="figure-note">{note}</span>}
    </div>
  )
}
