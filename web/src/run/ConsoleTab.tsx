import { useEffect, useRef, useState } from 'react'
import { formatInteger } from '../format/number'
import { RunConsoleDocument, type RunHeadFragment } from '../gen/graphql'
import { useAsk } from '../link/useAsk'
import { Empty, Loading, Trouble } from '../parts/State'
import { ended } from '../parts/Status'
import { Toggle } from '../parts/Toggle'

const sizes = [200, 1000, 5000]

export function ConsoleTab({ run }: { run: RunHeadFragment }) {
  const [last, setLast] = useState(sizes[0] as number)
  const { data, error, again } = useAsk(RunConsoleDocument, { id: run.id, last }, { nudge: run.seq, every: 1_500 })
  const lines = data?.run?.console
  const [follow, setFollow] = useState(!ended(run.status))
  const box = useRef<HTMLPreElement>(null)
  useEffect(() => {
    if (follow && box.current) box.current.scrollTop = box.current.scrollHeight
  }, [lines, follow])
  if (!lines) return error ? <Trouble error={error} again={again} /> : <Loading what="console" rows={8} />
  if (lines.length === 0) return <Empty title="Nothing was printed" />
  const more = sizes.find((s) => s > last)
  return (
    <>
      <div className="filters">
        {!ended(run.status) && (
          <Toggle on={follow} set={setFollow}>
            follow
          </Toggle>
        )}
        {more && lines.length >= last && (
          <button type="button" onClick={() => setLast(more)}>
            Show last {formatInteger(more)}
          </button>
        )}
        <span className="spacer" />
        <span className="dim num">{lines.length < last ? 'all' : 'last'} {formatInteger(lines.length)} lines</span>
      </div>
      <pre className="console" ref={box} tabIndex={0} aria-label="Console lines">
        {lines.map((l) => (
          <span key={`${l.stream}${l.line}`} className={l.stream === 'stderr' ? 'stderr' : undefined}>
            <i className="num">{l.line + 1}</i>
            {l.text}
            {'\n'}
          </span>
        ))}
      </pre>
    </>
  )
}
