import { absent } from './number'

// How long: 0.35 s, 12.4 s, 3 m 12 s, 2 h 5 m, 3 d 4 h. Two parts at most.
export function formatSeconds(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return absent
  if (!Number.isFinite(seconds)) return '∞'
  const s = Math.max(0, seconds)
  if (s === 0) return '0 s'
  if (s < 0.9995) return `${Math.max(1, Math.round(s * 1000))} ms`
  if (s < 59.95) return `${Number(s.toFixed(1))} s`
  const whole = Math.round(s)
  if (whole < 3600) return parts(whole, 60, 'm', 1, 's')
  const minutes = Math.round(s / 60)
  if (minutes < 24 * 60) return parts(minutes, 60, 'h', 1, 'm')
  return parts(Math.round(s / 3600), 24, 'd', 1, 'h')
}

function parts(amount: number, big: number, bigName: string, small: number, smallName: string): string {
  const rest = Math.floor((amount % big) / small)
  return `${Math.floor(amount / big)} ${bigName}${rest > 0 ? ` ${rest} ${smallName}` : ''}`
}

// How long ago, in one unit: now, 40 s ago, 5 m ago, 3 h ago, 2 d ago.
export function formatAgo(iso: string, now: number): string {
  const s = (now - Date.parse(iso)) / 1000
  if (Number.isNaN(s)) return absent
  if (s < 5) return 'now'
  if (s < 60) return `${Math.floor(s)} s ago`
  if (s < 3600) return `${Math.floor(s / 60)} m ago`
  if (s < 86_400) return `${Math.floor(s / 3600)} h ago`
  if (s < 30 * 86_400) return `${Math.floor(s / 86_400)} d ago`
  return formatDate(iso)
}

const two = (n: number) => String(n).padStart(2, '0')

export function formatDate(iso: string): string {
  const t = new Date(iso)
  return Number.isNaN(t.getTime()) ? absent : `${t.getFullYear()}-${two(t.getMonth() + 1)}-${two(t.getDate())}`
}

// In the reader's time zone, to the second: 2026-11-21 18:04:31.
export function formatTime(iso: string): string {
  const t = new Date(iso)
  if (Number.isNaN(t.getTime())) return absent
  return `${formatDate(iso)} ${two(t.getHours())}:${two(t.getMinutes())}:${two(t.getSeconds())}`
}

// Seconds a run has taken, counted on by the page's own clock while it runs.
export function secondsSoFar(run: { startedAt: string | null; endedAt: string | null }, seconds: number, now: number) {
  if (!run.startedAt) return null
  if (run.endedAt) return seconds
  const counted = (now - Date.parse(run.startedAt)) / 1000
  // A browser whose clock is wrong must not show nonsense: then the node's figure stands.
  return counted >= seconds && counted < seconds + 3600 ? counted : seconds
}
