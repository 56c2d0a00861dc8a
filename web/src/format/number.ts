// A number as the API sends it: JSON has no NaN and no infinities, so these arrive as strings.
export type Wire = number | string

export function decode(wire: Wire): number
export function decode(wire: Wire | null | undefined): number | null
export function decode(wire: Wire | null | undefined): number | null {
  if (wire === null || wire === undefined) return null
  return typeof wire === 'number' ? wire : Number(wire) // "NaN", "Infinity", "-Infinity" are what Number knows
}

export const absent = '–'

function extreme(x: number | null | undefined): string | undefined {
  if (x === null || x === undefined) return absent
  if (Number.isNaN(x)) return 'NaN'
  if (x === Infinity) return '∞'
  if (x === -Infinity) return '−∞'
  return undefined
}

const minus = (text: string) => text.replace('-', '−')

// A measured value with `digits` significant digits: 2.314, 0.0003, 6.1e−5, 12,345.
export function formatValue(x: number | null | undefined, digits = 4): string {
  const odd = extreme(x)
  if (odd !== undefined) return odd
  const v = x as number
  if (v === 0) return '0'
  const size = Math.abs(v)
  if (size < 1e-4 || size >= 1e9) {
    const [mantissa, exponent] = v.toExponential(digits - 1).split('e') as [string, string]
    const short = mantissa.includes('.') ? mantissa.replace(/\.?0+$/, '') : mantissa
    return minus(`${short}e${exponent.replace('+', '')}`).replace('e-', 'e−')
  }
  if (Number.isInteger(v) || size >= 10 ** (digits - 1)) return minus(Math.round(v).toLocaleString('en-US'))
  // A column of one metric reads best when its digits stand under each other, so zeros at the end are kept.
  return minus(v.toPrecision(digits))
}

// An axis label: as short as it can be.
export function formatTick(x: number): string {
  const size = Math.abs(x)
  if (x === 0) return '0'
  if (size >= 1e4) return formatCount(x)
  if (size < 1e-3) {
    const [mantissa, exponent] = x.toExponential(2).split('e') as [string, string]
    return minus(`${mantissa.replace(/\.?0+$/, '')}e${exponent}`).replace('e-', 'e−')
  }
  return minus(String(Number(x.toPrecision(6))))
}

const scales: [number, string][] = [
  [1e15, 'P'],
  [1e12, 'T'],
  [1e9, 'G'],
  [1e6, 'M'],
  [1e3, 'k'],
]

function scaled(x: number, unit: string, prefixes = scales): string {
  const size = Math.abs(x)
  for (const [scale, prefix] of prefixes) {
    // 999,999 is 1 M and not 1000 k.
    if (size >= scale * 0.9995) return minus(`${Number((x / scale).toPrecision(3))} ${prefix}${unit}`.trimEnd())
  }
  return minus(`${Number(x.toPrecision(3))} ${unit}`.trimEnd())
}

const counts: [number, string][] = [
  [1e12, 'T'],
  [1e9, 'B'],
  [1e6, 'M'],
  [1e3, 'k'],
]

// How many: 950, 12.3 k, 1.2 M, 3.4 B.
export function formatCount(x: number | null | undefined, unit = ''): string {
  return extreme(x) ?? scaled(x as number, unit, counts)
}

// A whole number in full: 1,234,567.
export function formatInteger(x: number | null | undefined): string {
  return extreme(x) ?? minus(Math.round(x as number).toLocaleString('en-US'))
}

export function formatFlops(x: number | null | undefined): string {
  if (x !== null && x !== undefined && Number.isFinite(x) && Math.abs(x) >= 1e18) return scaled(x / 1e18, 'EFLOP', [[1e3, 'k']])
  return extreme(x) ?? scaled(x as number, 'FLOP')
}

export function formatBytes(x: number | null | undefined): string {
  const odd = extreme(x)
  if (odd !== undefined) return odd
  let v = x as number
  let unit = 'B'
  for (const next of ['KiB', 'MiB', 'GiB', 'TiB', 'PiB']) {
    if (Math.abs(v) < 1023.5) break
    v /= 1024
    unit = next
  }
  return minus(`${Math.abs(v) >= 100 ? Math.round(v) : Number(v.toPrecision(3))} ${unit}`)
}

// US dollars; below ten cents with two significant digits: $0.0042.
export function formatDollars(x: number | null | undefined): string {
  const odd = extreme(x)
  if (odd !== undefined) return odd
  const v = x as number
  if (v === 0) return '$0'
  const sign = v < 0 ? '−' : ''
  const size = Math.abs(v)
  if (size < 1e-6) return `${sign}<$0.000001`
  if (size < 0.0995) return `${sign}$${size.toFixed(1 - Math.floor(Math.log10(size))).replace(/0+$/, '')}`
  if (size < 1000) return `${sign}$${size.toFixed(2)}`
  return `${sign}$${Math.round(size).toLocaleString('en-US')}`
}

// Energy: joules up to a tenth of a kilowatt-hour, then kilowatt-hours.
export function formatJoules(x: number | null | undefined): string {
  const odd = extreme(x)
  if (odd !== undefined) return odd
  const v = x as number
  return Math.abs(v) < 3.6e5 ? scaled(v, 'J') : `${Number((v / 3.6e6).toPrecision(3)).toLocaleString('en-US')} kWh`
}

export const formatPercent = (x: number | null | undefined): string =>
  extreme(x) ?? `${minus(String(Number((x as number).toFixed((x as number) < 10 ? 1 : 0))))} %`

// The first characters of a digest, enough to tell two apart by eye.
export const shortDigest = (digest: string): string => digest.replace(/^sha256:/, '').slice(0, 12)
