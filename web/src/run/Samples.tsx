import { useState } from 'react'
import { formatInteger } from '../format/number'
import { Card } from '../parts/Card'

export interface Sample {
  task: string
  prompt: string
  text: string
  step: number
}

// What the model wrote, newest step first.
export function Samples({ samples, title = 'Generated samples' }: { samples: Sample[]; title?: string }) {
  const [all, setAll] = useState(false)
  if (samples.length === 0) return null
  const ordered = [...samples].sort((a, b) => b.step - a.step)
  const shown = all ? ordered : ordered.slice(0, 6)
  return (
    <Card title={title} aside={<span className="dim num">{samples.length}</span>}>
      <div className="samples">
        {shown.map((s, i) => (
          <figure key={i} className="sample">
            <figcaption>
              <span className="num">step {formatInteger(s.step)}</span> <span className="dim">{s.task}</span>
            </figcaption>
            <SampleText prompt={s.prompt} text={s.text} />
          </figure>
        ))}
      </div>
      {!all && ordered.length > shown.length && (
        <button type="button" onClick={() => setAll(true)}>
          Show all {ordered.length}
        </button>
      )}
    </Card>
  )
}

// The prompt is set off from what the model added to it.
export function SampleText({ prompt, text }: { prompt: string; text: string }) {
  const written = text.startsWith(prompt) ? text.slice(prompt.length) : text
  return (
    <pre tabIndex={0}>
      <mark>{prompt}</mark>
      {written}
    </pre>
  )
}
