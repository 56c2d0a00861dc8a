const units: Record<string, number> = { '': 1, k: 1e3, m: 1e6, b: 1e9, g: 1e9, t: 1e12 }

// Reads a count as people write it: 7B, 2T, 350 M, 1e9, 10k. Undefined for what is none.
export function parseCount(text: string): number | undefined {
  const found = /^\s*\$?\s*([0-9]+(?:\.[0-9]+)?(?:e[0-9]+)?)\s*([kmbgt]?)\s*$/i.exec(text.replaceAll(',', ''))
  if (!found) return undefined
  const n = Number(found[1]) * (units[(found[2] ?? '').toLowerCase()] ?? 1)
  return Number.isFinite(n) && n > 0 ? n : undefined
}

// The name of a device in a pattern of the price book: gpu:*H200* is H200, cpu:* is cpu.
export function deviceName(pattern: string): string {
  const [kind, ...rest] = pattern.split(':')
  return rest.join(':').replaceAll('*', '').trim() || (kind ?? pattern)
}

// What a device is asked for by.
export const deviceAsked = (pattern: string): string => (pattern.startsWith('gpu:') || pattern === 'cpu:*' ? deviceName(pattern) : pattern.replaceAll('*', ''))
