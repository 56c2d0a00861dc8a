import type { ReactNode } from 'react'

export function Toggle({ on, set, children, title }: { on: boolean; set: (on: boolean) => void; children: ReactNode; title?: string }) {
  return (
    <button type="button" className="toggle" aria-pressed={on} title={title} onClick={() => set(!on)}>
      {children}
    </button>
  )
}

export function Choice<T extends string>({ label, value, of, set }: { label: string; value: T; of: readonly T[]; set: (value: T) => void }) {
  return (
    <span className="choice" role="radiogroup" aria-label={label}>
      {of.map((one) => (
        <button key={one} type="button" role="radio" aria-checked={one === value} onClick={() => set(one)}>
          {one}
        </button>
      ))}
    </span>
  )
}
