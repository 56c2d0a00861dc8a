import { useEffect, useRef, type RefObject } from 'react'

export interface Surface {
  ctx: CanvasRenderingContext2D
  // In CSS pixels, which are the context's unit.
  width: number
  height: number
  // A colour of the page's, by its name in the style sheets.
  css: (name: string) => string
}

// Draws on a canvas as sharp as the screen, and again when its size or `on` changes.
export function useCanvas(draw: (surface: Surface) => void, on: readonly unknown[]): RefObject<HTMLCanvasElement | null> {
  const canvas = useRef<HTMLCanvasElement>(null)
  const latest = useRef(draw)
  latest.current = draw
  const paint = useRef(() => {
    const c = canvas.current
    const ctx = c?.getContext('2d')
    if (!c || !ctx || c.clientWidth === 0) return
    const [w, h] = [c.clientWidth, c.clientHeight]
    const dpr = window.devicePixelRatio || 1
    if (c.width !== Math.round(w * dpr) || c.height !== Math.round(h * dpr)) {
      c.width = Math.round(w * dpr)
      c.height = Math.round(h * dpr)
    }
    const look = getComputedStyle(document.documentElement)
    ctx.setTransform(dpr, 0, 0, dpr, 0, 0)
    ctx.clearRect(0, 0, w, h)
    latest.current({ ctx, width: w, height: h, css: (name) => look.getPropertyValue(name).trim() })
  })
  useEffect(() => {
    if (!canvas.current) return
    const watch = new ResizeObserver(() => paint.current())
    watch.observe(canvas.current)
    return () => watch.disconnect()
  }, [])
  useEffect(() => paint.current(), on)
  return canvas
}
