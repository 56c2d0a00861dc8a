import { decode, formatCount, formatInteger, type Wire } from '../format/number'
import { formatSeconds } from '../format/time'

export interface ProgressData {
  phase: string
  done: number
  total: number
  unit: string
  secondsLeft: Wire | null
}

export const share = (p: ProgressData): number | null => (p.total > 0 ? Math.min(1, Math.max(0, p.done / p.total)) : null)

// A bar; it moves from side to side when the end is not known.
export function ProgressBar({ progress, label }: { progress: ProgressData; label: string }) {
  const part = share(progress)
  return (
    <span
      className={part === null ? 'bar bar-unknown' : 'bar'}
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={part === null ? undefined : Math.round(part * 100)}
    >
      <i style={{ width: part === null ? undefined : `${part * 100}%` }} />
    </span>
  )
}

// "train · 200 of 400 steps · 12.5 s left"
export function progressWords(p: ProgressData): string {
  const amount = (n: number) => (n < 100_000 ? formatInteger(n) : formatCount(n))
  const parts = [p.phase, p.total > 0 ? `${amount(p.done)} of ${amount(p.total)} ${p.unit}` : `${amount(p.done)} ${p.unit}`]
  const left = decode(p.secondsLeft)
  if (left !== null && Number.isFinite(left)) parts.push(`${formatSeconds(left)} left`)
  return parts.filter(Boolean).join(' · ')
}
