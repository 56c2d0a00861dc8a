import type uPlot from 'uplot'
import { formatBytes, formatTick } from '../format/number'

const css = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim()

const powersOfTwo = Array.from({ length: 50 }, (_, i) => 2 ** i)

// Axes in the page's own colours and font.
export function axes(formatX: (x: number) => string, log: boolean, bytes: boolean, xTitle?: string): uPlot.Axis[] {
  const look: uPlot.Axis = {
    stroke: css('--dim'),
    font: `11px ${css('--sans')}`,
    grid: { stroke: css('--grid'), width: 1 },
    ticks: { show: false },
  }
  return [
    { ...look, scale: 'x', size: 24, gap: 4, space: xTitle ? 76 : 60, ...(xTitle ? { label: xTitle, labelFont: look.font, labelSize: 16, labelGap: 0 } : {}), values: (_u, at) => at.map((x) => (x === null ? '' : formatX(x))) },
    {
      ...look,
      scale: 'y',
      size: (_u, values) => Math.max(34, 8 + 6.4 * Math.max(0, ...(values ?? []).map((v) => v?.length ?? 0))),
      gap: 4,
      space: 28,
      ...(bytes ? { incrs: powersOfTwo } : {}),
      values: (_u, at) => at.map((y) => (y === null || (log && !powerOfTen(y, at)) ? '' : bytes ? formatBytes(y) : formatTick(y))),
    },
  ]
}

// On a logarithmic axis with more than a decade only the powers of ten are labelled.
function powerOfTen(y: number, all: (number | null)[]): boolean {
  const given = all.filter((v): v is number => v !== null && v > 0)
  if (given.length < 12) return true
  return Math.abs(Math.log10(y) - Math.round(Math.log10(y))) < 1e-9
}
