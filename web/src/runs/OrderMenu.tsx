import { useEffect, useState } from 'react'
import type { Asked } from './asked'
import type { Fault } from './fault'
import { FaultNote } from './FaultNote'

const groupings = ['experiment', 'config.optimizer.lr', 'config.seed', 'tags.team', 'created']

// Which argument of the node each text is.
const argument = { order: 'sort', group: 'by', spread: 'numbers' } as const

// Order and groups by any field of the node's language.
export function OrderMenu({ asked, set, fault }: { asked: Asked; set: (change: Partial<Asked>) => void; fault: Fault | null }) {
  const faulty = fault !== null && Object.values(argument).some((a) => a === fault.argument)
  const on = Boolean(asked.order || asked.group)
  return (
    <details className="menu menu-right menu-form" open={faulty || undefined}>
      <summary className={on ? 'menu-on' : undefined}>Order & group</summary>
      <div>
        <Line label="Order by" hint='metric["val/loss"].min, created desc' value={asked.order} set={(order) => set({ order })} fault={fault?.argument === argument.order ? fault : null} />
        <Line label="Group by" hint="config.optimizer.lr, experiment" value={asked.group} set={(group) => set({ group })} fault={fault?.argument === argument.group ? fault : null} />
        <p className="groupings">
          {groupings.map((g) => (
            <button key={g} type="button" className="link" onClick={() => set({ group: g })}>
              {g}
            </button>
          ))}
        </p>
        <Line label="Spread of" hint='metric["val/loss"].min, duration' value={asked.spread} set={(spread) => set({ spread })} fault={fault?.argument === argument.spread ? fault : null} />
        <p className="dim">Fields as in the search line, with commas between; press Enter.</p>
      </div>
    </details>
  )
}

function Line({ label, hint, value, set, fault }: { label: string; hint: string; value: string; set: (text: string) => void; fault: Fault | null }) {
  const [text, write] = useState(value)
  useEffect(() => write(value), [value])
  return (
    <label>
      {label}
      <input
        type="text"
        spellCheck={false}
        autoComplete="off"
        placeholder={hint}
        aria-invalid={fault ? true : undefined}
        value={text}
        onChange={(e) => write(e.target.value)}
        onBlur={() => text !== value && set(text)}
        onKeyDown={(e) => {
          if (e.key !== 'Enter') return
          e.preventDefault()
          set(text)
        }}
      />
      {fault && text === value && <FaultNote fault={fault} />}
    </label>
  )
}
