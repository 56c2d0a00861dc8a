import { useState } from 'react'
import { formatInteger } from '../format/number'
import { Card } from '../parts/Card'
import { SampleText } from '../run/Samples'
import type { Colored } from './ComparePage'

const atOnce = 4

export function SamplesSide({ comparison, color }: Colored) {
  const rows = comparison.samples ?? []
  const [all, setAll] = useState(false)
  if (rows.length === 0) return null
  return (
    <Card title="Samples side by side" aside={<span className="dim">newest of each run</span>}>
      {(all ? rows : rows.slice(0, atOnce)).map((row) => (
        <div key={row.source + row.prompt} className="sample-row">
          <h3>
            <span className="dim">{row.source}</span>
          </h3>
          <div className="sample-sides" style={{ gridTemplateColumns: `repeat(${row.texts.length}, minmax(220px, 1fr))` }}>
            {row.texts.map((text, i) => {
              const step = row.steps[i]
              return (
                <figure key={comparison.runs[i]?.id} className="sample" style={{ borderTopColor: color(i) }}>
                  <figcaption>
                    {comparison.runs[i]?.name || comparison.runs[i]?.id} {step != null && <span className="dim num">step {formatInteger(step)}</span>}
                  </figcaption>
                  {text != null ? <SampleText prompt={row.prompt} text={text} /> : <p className="dim">was not given this prompt</p>}
                </figure>
              )
            })}
          </div>
        </div>
      ))}
      {!all && rows.length > atOnce && (
        <button type="button" onClick={() => setAll(true)}>
          Show all {rows.length}
        </button>
      )}
    </Card>
  )
}
