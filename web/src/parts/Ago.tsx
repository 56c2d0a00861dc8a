import { formatAgo, formatTime } from '../format/time'

// When something happened, as people say it; the exact time is one look away.
export function Ago({ at, now, className }: { at: string; now: number; className?: string }) {
  return (
    <time className={className} dateTime={at} title={formatTime(at)}>
      {formatAgo(at, now)}
    </time>
  )
}
