import { useRef, useState } from 'react'
import { usePausedText } from '../parts/useText'
import type { Fault } from './fault'
import { FaultNote } from './FaultNote'
import { FieldHelp } from './FieldHelp'

const pause = 500 // ms: half a condition is a fault, so a reader who still types is given time

// The line that picks runs, by words or by a condition in the node's language.
export function SearchLine({ where, set, fault }: { where: string; set: (where: string) => void; fault: Fault | null }) {
  const [text, write] = usePausedText(where, set, pause)
  const [help, setHelp] = useState(false)
  const box = useRef<HTMLInputElement>(null)
  // What is typed now is not what the node found fault with.
  const shown = fault && text === where ? fault : null
  const take = (example: string) => {
    write(example)
    set(example)
    setHelp(false)
    box.current?.focus()
  }
  return (
    <div className="search-line">
      <div className="search-box">
        <input
          ref={box}
          type="search"
          spellCheck={false}
          autoComplete="off"
          placeholder="Words, or a condition: status = running and config.optimizer.lr < 1e-3"
          aria-label="Search runs by words, or by a condition"
          aria-invalid={shown ? true : undefined}
          aria-describedby={shown ? 'search-fault' : undefined}
          value={text}
          onChange={(e) => write(e.target.value)}
          onKeyDown={(e) => {
            if (e.key === 'Enter') set(text)
            if (e.key === 'Escape') setHelp(false)
          }}
        />
        <button type="button" aria-expanded={help} aria-controls="search-help" aria-label="How to write conditions" onClick={() => setHelp(!help)}>
          ?
        </button>
      </div>
      {help && <FieldHelp id="search-help" take={take} />}
      {shown && <FaultNote fault={shown} id="search-fault" />}
    </div>
  )
}
