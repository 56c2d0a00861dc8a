import { useSyncExternalStore } from 'react'

// Ten colours that stay apart for most colour-blind eyes and have contrast on the ground they are drawn on.
const light = ['#0b7285', '#d9480f', '#6741d9', '#2b8a3e', '#c2255c', '#1864ab', '#996300', '#495057', '#0ca678', '#ae3ec9']
const dark = ['#4cc9de', '#ff9457', '#a78bfa', '#6bd27d', '#ff7aa8', '#74b3ff', '#e6b450', '#b6c0c9', '#3ddbb0', '#e394f5']

const media = window.matchMedia('(prefers-color-scheme: dark)')

export function useDark(): boolean {
  return useSyncExternalStore(
    (tell) => {
      media.addEventListener('change', tell)
      return () => media.removeEventListener('change', tell)
    },
    () => media.matches,
  )
}

export function usePalette(): (index: number) => string {
  const colors = useDark() ? dark : light
  return (index) => colors[index % colors.length] as string
}
