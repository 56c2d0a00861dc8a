import { useState } from 'react'
import { columns, hiddenAtFirst } from './columns'

const place = 'millrace.columns'

// Which columns are hidden, remembered by this browser.
export function useHidden(): [Record<string, boolean>, (hidden: Record<string, boolean>) => void] {
  const [hidden, set] = useState<Record<string, boolean>>(() => {
    try {
      return { ...hiddenAtFirst, ...(JSON.parse(localStorage.getItem(place) ?? '{}') as Record<string, boolean>) }
    } catch {
      return hiddenAtFirst
    }
  })
  return [
    hidden,
    (next) => {
      set(next)
      try {
        localStorage.setItem(place, JSON.stringify(next))
      } catch {
        // A browser that keeps nothing shows all columns next time.
      }
    },
  ]
}

export function ColumnMenu({ hidden, set }: { hidden: Record<string, boolean>; set: (hidden: Record<string, boolean>) => void }) {
  return (
    <details className="menu">
      <summary>Columns</summary>
      <div>
        {columns
          .filter((c) => c.enableHiding !== false && c.id)
          .map((c) => {
            const id = c.id as string
            return (
              <label key={id}>
                <input type="checkbox" checked={hidden[id] !== false} onChange={(e) => set({ ...hidden, [id]: e.target.checked })} />
                {typeof c.header === 'string' ? c.header : id}
              </label>
            )
          })}
      </div>
    </details>
  )
}
