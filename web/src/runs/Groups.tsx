import { useEffect, useMemo, useRef, useState } from 'react'
import { decode, formatDollars, formatInteger, formatValue } from '../format/number'
import { RunGroupsDocument, RunNudgeDocument, type RunFilter, type RunGroupsQuery } from '../gen/graphql'
import { throttled } from '../link/throttle'
import { useAsk } from '../link/useAsk'
import { useLive } from '../link/useLive'
import { Pages } from '../parts/Pages'
import { Empty, Loading, Trouble } from '../parts/State'
import { Status } from '../parts/Status'
import type { Asked } from './asked'
import { faultOf, type Fault } from './fault'
import { both, fieldsIn, formatField } from './fields'

const pageSize = 100
const atFirst = ['metric["val/loss"].min', 'metric["train/loss"]', 'duration']

type Group = RunGroupsQuery['runGroups']['nodes'][number]
type Spread = Group['numbers'][number]

// Runs by what they have in common, with how far their numbers spread: over seeds, say. A group opens as a list of its runs.
export function Groups({ filter, asked, set, onTotal, onFault }: { filter: RunFilter; asked: Asked; set: (change: Partial<Asked>) => void; onTotal: (total: number) => void; onFault: (fault: Fault | null) => void }) {
  const by = useMemo(() => fieldsIn(asked.group), [asked.group])
  const numbers = useMemo(() => (asked.spread.trim() ? fieldsIn(asked.spread) : atFirst), [asked.spread])
  const [cursors, setCursors] = useState<string[]>([])
  useEffect(() => setCursors([]), [filter, asked.where, by])
  const { data, error, stale, again } = useAsk(RunGroupsDocument, { filter, where: asked.where, by, numbers, first: pageSize, after: cursors.at(-1) ?? null })
  const latest = useRef(again)
  latest.current = again
  const slow = useRef(throttled(3_000, () => latest.current()))
  useEffect(() => () => slow.current.cancel(), [])
  useLive(RunNudgeDocument, { filter: { kind: filter.kind, experiment: filter.experiment } }, () => slow.current())
  const fault = useMemo(() => faultOf(error), [error])
  const [held, hold] = useState(data)
  useEffect(() => {
    if (data) hold(data)
  }, [data])
  useEffect(() => onFault(fault), [fault])
  const page = (data ?? (fault ? held : undefined))?.runGroups
  const total = page?.nodes.reduce((n, g) => n + g.count, 0)
  useEffect(() => {
    if (total !== undefined && page && !page.pageInfo.hasNextPage && cursors.length === 0) onTotal(total)
  }, [total])

  if (!page) return fault ? null : error ? <Trouble error={error} again={again} /> : <Loading what="groups" rows={6} />
  if (page.nodes.length === 0) return <Empty title="No run fits" />
  const open = (g: Group) => set({ where: both(asked.where, g.where), group: '' })
  return (
    <>
      {error && !fault && <Trouble error={error} again={again} />}
      <div className={stale || fault ? 'table-wrap table-stale' : 'table-wrap'}>
        <table className="groups">
          <thead>
            <tr>
              {page.nodes[0]?.keys.map((k) => (
                <th key={k.field} scope="col">
                  {k.field}
                </th>
              ))}
              <th scope="col" className="right">
                Runs
              </th>
              <th scope="col">Status</th>
              {page.nodes[0]?.numbers.map((n) => (
                <th key={n.field} scope="col" className="right">
                  {n.field}
                </th>
              ))}
              <th scope="col" className="right">
                Cost
              </th>
            </tr>
          </thead>
          <tbody>
            {page.nodes.map((g) => (
              <tr key={g.where || JSON.stringify(g.keys)}>
                {g.keys.map((k, i) => (
                  <th key={k.field} scope={i === 0 ? 'row' : undefined}>
                    {i === 0 ? (
                      <button type="button" className="link" onClick={() => open(g)} aria-label={`Show the ${g.count} runs with ${k.field} ${k.label || 'absent'}`}>
                        {k.label || 'absent'}
                      </button>
                    ) : (
                      k.label || <span className="dim">absent</span>
                    )}
                  </th>
                ))}
                <td className="right num">{formatInteger(g.count)}</td>
                <td>
                  <span className="group-statuses">
                    {g.statuses.map((s) => (
                      <span key={s.status} className="num">
                        <Status status={s.status} /> {formatInteger(s.count)}
                      </span>
                    ))}
                  </span>
                </td>
                {g.numbers.map((n) => (
                  <SpreadCell key={n.field} of={n} />
                ))}
                <td className="right num">{formatDollars(decode(g.dollars))}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <div className="table-foot">
        <button type="button" onClick={() => set({ group: '' })}>
          Show runs
        </button>
        <span className="dim">mean ± standard deviation; least to greatest below</span>
        <span className="spacer" />
        <Pages cursors={cursors} set={setCursors} next={page.pageInfo.hasNextPage ? (page.pageInfo.endCursor ?? null) : null} size={pageSize} shown={page.nodes.length} total={page.totalCount} />
      </div>
    </>
  )
}

function SpreadCell({ of }: { of: Spread }) {
  const [mean, min, max, std] = [of.mean, of.min, of.max, of.stddev].map((v) => decode(v))
  if (mean === null || mean === undefined) return <td className="right dim">–</td>
  return (
    <td className="right num" title={`of ${of.count} runs${of.nans > 0 ? `; NaN at ${of.nans}` : ''}`}>
      {formatField(of.field, mean)}
      {std !== null && std !== undefined && <span className="dim"> ± {formatField(of.field, std)}</span>}
      {min !== max && (
        <div className="dim unit">
          {formatField(of.field, min ?? null)} – {formatField(of.field, max ?? null)}
        </div>
      )}
      {of.nans > 0 && <span className="odd"> {formatValue(of.nans)} NaN</span>}
    </td>
  )
}
