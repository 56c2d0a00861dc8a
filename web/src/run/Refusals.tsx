import type { Refusal } from './useWish'

export function Refusals({ of }: { of: Refusal[] }) {
  if (of.length === 0) return null
  return (
    <span className="refusal" role="alert">
      {of.map((r) => (r.hint ? `${r.message} ${r.hint}` : r.message)).join('; ')}
    </span>
  )
}
