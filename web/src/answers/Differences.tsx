import { useState } from 'react'
import { Link } from 'wouter'
import { useClient } from 'urql'
import { decode, formatInteger, formatValue } from '../format/number'
import { DifferenceDocument, type AnswerChange, type DifferenceQuery } from '../gen/graphql'
import { Card } from '../parts/Card'
import { Empty, Loading, Trouble } from '../parts/State'
import { ChangedBox } from './AnswerBox'
import { pageSize, textsOf, Turns } from './AnswerList'
import { changes, type Asked, type Change } from './asked'
import { has } from './scan'
import { useScan } from './useScan'

type Difference = NonNullable<DifferenceQuery['evaluationDifference']>
type Pair = Difference['nodes'][number]

const atOnce = 500

const asks: Record<Change, AnswerChange | null> = { changed: null, 'newly right': 'NEWLY_RIGHT', 'newly wrong': 'NEWLY_WRONG', 'still right': 'STILL_RIGHT', 'still wrong': 'STILL_WRONG', all: null }
const words: Record<AnswerChange, string> = { NEWLY_RIGHT: '✓ newly right', NEWLY_WRONG: '✕ newly wrong', STILL_RIGHT: '✓ still right', STILL_WRONG: '✕ still wrong', UNJUDGED: 'not judged' }
const looks: Record<AnswerChange, string> = { NEWLY_RIGHT: 'answer-right', NEWLY_WRONG: 'answer-wrong', STILL_RIGHT: 'dim', STILL_WRONG: 'dim', UNJUDGED: 'dim' }

// Two evaluations side by side: how far each score moved, and which examples did it.
export function Differences({ was, wasName, is, isName, asked, set }: { was: string; wasName: string; is: string; isName: string; asked: Asked; set: (change: Partial<Asked>) => void }) {
  const client = useClient()
  const [whole, setWhole] = useState<Difference>()
  const picked = asked.words.trim() !== '' || asked.change === 'changed'
  const page = async (after: string | null) => {
    const variables = { was, is, task: asked.task || null, change: asks[asked.change], first: picked ? atOnce : pageSize, after }
    const { data, error } = await client.query(DifferenceDocument, variables, { requestPolicy: 'cache-first' }).toPromise()
    if (error) throw error
    const d = data?.evaluationDifference
    if (!d) throw new Error('One of the two evaluations has kept no answers: there is nothing to hold against each other.')
    setWhole(d)
    return { nodes: d.nodes, next: d.next }
  }
  const fits = (p: Pair) => (asked.change !== 'changed' || p.change === 'NEWLY_RIGHT' || p.change === 'NEWLY_WRONG') && has(asked.words, [...textsOf(p.was), ...textsOf(p.is)])
  const list = useScan(JSON.stringify([was, is, asked.task, asked.change, asked.words]), page, fits, pageSize)
  const counts: Record<Change, number | null> = {
    changed: whole ? whole.newlyRight + whole.newlyWrong : null,
    'newly right': whole?.newlyRight ?? null,
    'newly wrong': whole?.newlyWrong ?? null,
    'still right': whole?.stillRight ?? null,
    'still wrong': whole?.stillWrong ?? null,
    all: null,
  }
  const names: [React.ReactNode, React.ReactNode] = [
    <Link key="was" href={`/run/${was}/answers`}>
      {wasName}
    </Link>,
    isName,
  ]
  return (
    <>
      {whole && <Moved of={whole} names={names} />}
      <div className="filters" role="radiogroup" aria-label="Which examples">
        {changes.map((c) => (
          <button key={c} type="button" role="radio" className="toggle" aria-checked={asked.change === c} onClick={() => set({ change: c })}>
            {c} {counts[c] !== null && <span className="num dim">{formatInteger(counts[c])}</span>}
          </button>
        ))}
      </div>
      {list.error ? (
        <Trouble error={list.error} again={list.again} />
      ) : !list.items ? (
        <Loading what="examples" rows={8} />
      ) : list.items.length === 0 && !list.next && list.page === 0 ? (
        <Empty title="No example fits">{asked.change === 'changed' && asked.words === '' && <p>No example became right or wrong.</p>}</Empty>
      ) : (
        <>
          <ol className={list.busy ? 'answers-list table-stale' : 'answers-list'}>
            {list.items.map((p) => (
              <ChangedBox key={`${p.is.task}|${p.is.id}`} was={p.was} is={p.is} word={<span className={looks[p.change]}>{words[p.change]}</span>} names={names} />
            ))}
          </ol>
          <Turns of={list} />
        </>
      )}
    </>
  )
}

function Moved({ of, names }: { of: Difference; names: [React.ReactNode, React.ReactNode] }) {
  return (
    <Card title="How far the scores moved" flush aside={<span className="dim">means over the examples, ± standard error of the paired difference</span>}>
      <div className="table-wrap">
        <table>
          <thead>
            <tr>
              <th scope="col">task</th>
              <th scope="col">metric</th>
              <th scope="col" className="right">{names[0]}</th>
              <th scope="col" className="right">{names[1]}</th>
              <th scope="col" className="right">difference</th>
              <th scope="col" className="right">examples</th>
            </tr>
          </thead>
          <tbody>
            {of.scores.map((s) => {
              const [by, stderr] = [decode(s.difference), decode(s.stderr)]
              const sure = stderr !== null && Math.abs(by) > 2 * stderr
              return (
                <tr key={`${s.task}|${s.metric}`}>
                  <th scope="row">{s.task}</th>
                  <td>{s.metric.replaceAll('_', ' ')}</td>
                  <td className="right num">{formatValue(decode(s.was))}</td>
                  <td className="right num">{formatValue(decode(s.is))}</td>
                  <td className="right num" title={sure ? 'more than two standard errors' : 'within two standard errors'}>
                    <span className={sure ? 'moved' : 'dim'}>
                      {by > 0 && '+'}
                      {formatValue(by)}
                    </span>
                    {stderr !== null && <span className="dim"> ±{formatValue(stderr, 2)}</span>}
                  </td>
                  <td className="right num">{formatInteger(s.n)}</td>
                </tr>
              )
            })}
          </tbody>
        </table>
      </div>
    </Card>
  )
}
