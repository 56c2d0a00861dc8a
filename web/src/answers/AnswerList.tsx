import { useClient } from 'urql'
import { formatInteger } from '../format/number'
import { AnswersDocument, type AnswerPartsFragment } from '../gen/graphql'
import { Empty, Loading, Trouble } from '../parts/State'
import { AnswerBox } from './AnswerBox'
import { evaluationId, type Asked } from './asked'
import { has } from './scan'
import { useScan, type Scanned } from './useScan'

export const pageSize = 25
const atOnce = 500 // what is asked of the node at once, when much of it may be passed over

export const textsOf = (a: AnswerPartsFragment): string[] => [a.id, a.prompt, a.want, ...a.choices, ...a.got]

export function AnswerList({ id, asked }: { id: string; asked: Asked }) {
  const client = useClient()
  const picked = asked.words.trim() !== '' || asked.show === 'right'
  const page = async (after: string | null) => {
    const variables = { id: evaluationId(id), task: asked.task || null, onlyWrong: asked.show === 'wrong', first: picked ? atOnce : pageSize, after }
    const { data, error } = await client.query(AnswersDocument, variables, { requestPolicy: 'cache-first' }).toPromise()
    if (error) throw error
    const e = data?.node
    if (!e || !('answers' in e)) throw new Error('The evaluation is gone.')
    return { nodes: e.answers.nodes, next: e.answers.next }
  }
  const fits = (a: AnswerPartsFragment) => (asked.show !== 'right' || a.right === true) && has(asked.words, textsOf(a))
  const list = useScan(JSON.stringify([id, asked.task, asked.show, asked.words]), page, fits, pageSize)
  if (list.error) return <Trouble error={list.error} again={list.again} />
  if (!list.items) return <Loading what="answers" rows={8} />
  if (list.items.length === 0 && !list.next && list.page === 0)
    return <Empty title="No answer fits">{asked.show === 'wrong' && !picked ? <p>None was wrong.</p> : <p>Fewer words, another task, or all answers may show some.</p>}</Empty>
  return (
    <>
      <ol className={list.busy ? 'answers-list table-stale' : 'answers-list'}>
        {list.items.map((a) => (
          <AnswerBox key={`${a.task}|${a.id}`} answer={a} />
        ))}
      </ol>
      <Turns of={list} />
    </>
  )
}

// Forth and back through a list whose length nobody has counted.
export function Turns<T>({ of }: { of: Scanned<T> }) {
  if (!of.previous && !of.next) return null
  const first = of.page * pageSize + 1
  return (
    <nav className="pages" aria-label="Pages of the list">
      <button type="button" disabled={!of.previous || of.busy} onClick={() => of.previous?.()}>
        ← previous
      </button>
      <span className="num dim">{of.items && of.items.length > 0 ? `${formatInteger(first)} and on` : `none among ${formatInteger(of.read)}`}</span>
      <button type="button" disabled={!of.next} onClick={() => of.next?.()}>
        {of.items && of.items.length === 0 ? 'search on →' : 'next →'}
      </button>
    </nav>
  )
}
