// Colours from the worst to the best of a sweep: one hue, paler the worse.
export const shades = 12

type RGB = readonly [number, number, number]

const ends: Record<'light' | 'dark', readonly [RGB, RGB]> = {
  light: [
    [203, 213, 219],
    [11, 107, 122],
  ],
  dark: [
    [52, 64, 71],
    [76, 201, 222],
  ],
}

// The colour of a shade, 0 the worst and `shades` - 1 the best.
export function shade(index: number, dark: boolean): string {
  const [from, to] = ends[dark ? 'dark' : 'light']
  const t = Math.min(1, Math.max(0, index / (shades - 1))) ** 1.4
  return `rgb(${from.map((c, i) => Math.round(c + ((to[i] ?? 0) - c) * t)).join(' ')})`
}
