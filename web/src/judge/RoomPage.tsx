import { useEffect, useRef, useState } from 'react'
import { Link } from 'wouter'
import { useClient } from 'urql'
import { formatInteger } from '../format/number'
import { CastVoteDocument, JudgeNextDocument, JudgeRoomDocument, WithdrawVoteDocument, type JudgeRoomQuery, type QuestionPartsFragment, type RaterPartsFragment } from '../gen/graphql'
import { useAsk } from '../link/useAsk'
import { Card } from '../parts/Card'
import { Empty, explain, Loading, Trouble } from '../parts/State'
import { useTitle } from '../parts/title'
import { useWish } from '../run/useWish'
import { answerOf, remember, remembered, type Answer } from './rater'

type Contest = NonNullable<JudgeRoomQuery['contest']>

// Where one person judges: a prompt and two answers, or one, and nothing that says whose they are.
export function RoomPage({ id }: { id: string }) {
  const [rater, setRater] = useState(remembered)
  const { data, error, again } = useAsk(JudgeRoomDocument, { id, rater: rater || '?' })
  const contest = data?.contest
  useTitle(contest ? `Judge ${contest.name}` : 'Judge')
  if (!data) return error ? <Trouble error={error} again={again} /> : <Loading what="contest" rows={6} />
  if (!contest)
    return (
      <Empty title="There is no such contest">
        <p>
          <Link href="/judge">All contests</Link>
        </p>
      </Empty>
    )
  const head = (
    <h1 className="page-title">
      {contest.name} <Link href={`/judge/${contest.id}/results`}>Results</Link>
    </h1>
  )
  if (contest.closedAt)
    return (
      <>
        {head}
        <Empty title="The contest is closed">
          <p>What was said stands in the results.</p>
        </Empty>
      </>
    )
  return (
    <>
      {head}
      {rater ? <Room key={rater} contest={contest} rater={rater} leave={() => (remember(''), setRater(''))} /> : <Name enter={(name) => (remember(name), setRater(name))} />}
    </>
  )
}

function Name({ enter }: { enter: (name: string) => void }) {
  const [name, write] = useState('')
  return (
    <Card title="Who judges?">
      <form
        className="ask"
        onSubmit={(e) => {
          e.preventDefault()
          if (name.trim()) enter(name.trim())
        }}
      >
        <label>
          Your name
          <input value={name} maxLength={60} autoFocus autoComplete="nickname" onChange={(e) => write(e.target.value)} />
        </label>
        <button type="submit" className="primary" disabled={!name.trim()}>
          Begin
        </button>
      </form>
      <p className="dim note">Your votes are counted under this name; this browser remembers it.</p>
    </Card>
  )
}

function Room({ contest, rater, leave }: { contest: Contest; rater: string; leave: () => void }) {
  const client = useClient()
  const { busy, refusals, wish } = useWish()
  const [question, setQuestion] = useState<QuestionPartsFragment | null>()
  const [progress, setProgress] = useState<RaterPartsFragment>(contest.progress)
  const [last, setLast] = useState<QuestionPartsFragment>()
  const [error, setError] = useState<Error>()
  const shownAt = useRef(0)
  const place = useRef<HTMLDivElement>(null)
  const pairs = contest.mode === 'PAIR'

  const show = (q: QuestionPartsFragment | null) => {
    setQuestion(q)
    shownAt.current = performance.now()
    place.current?.focus()
  }
  const ask = () => {
    setError(undefined)
    void client
      .query(JudgeNextDocument, { id: contest.id, rater }, { requestPolicy: 'network-only' })
      .toPromise()
      .then(({ data, error }) => (data ? show(data.nextComparison ?? null) : setError(error ?? new Error('The node did not answer.'))))
  }
  useEffect(ask, [contest.id, rater])

  const vote = async (answer: Answer) => {
    if (!question || busy) return
    const seconds = Math.round(performance.now() - shownAt.current) / 1000
    const input = { contest: contest.id, rater, item: question.item, key: question.key, seconds, ...answer }
    const done = await wish(CastVoteDocument, { input }, (d) => d.castVote)
    if (!done) return
    setLast(question)
    if (done.progress) setProgress(done.progress)
    show(done.question ?? null)
  }
  const undo = async () => {
    if (!last || busy) return
    const done = await wish(WithdrawVoteDocument, { input: { contest: contest.id, rater, item: last.item, key: last.key } }, (d) => d.withdrawVote)
    if (!done) return
    setLast(undefined)
    if (done.progress) setProgress(done.progress)
    show(done.question ?? null)
  }

  const act = useRef((_: KeyboardEvent) => {})
  act.current = (e) => {
    if (e.repeat || e.ctrlKey || e.metaKey || e.altKey || e.target instanceof HTMLInputElement || e.target instanceof HTMLTextAreaElement) return
    const answer = answerOf(e.key, pairs)
    if (answer) {
      e.preventDefault()
      void vote(answer)
    } else if (e.key === 'u' || e.key === 'Backspace') {
      e.preventDefault()
      void undo()
    }
  }
  useEffect(() => {
    const listen = (e: KeyboardEvent) => act.current(e)
    window.addEventListener('keydown', listen)
    return () => window.removeEventListener('keydown', listen)
  }, [])

  const share = progress.questions > 0 ? progress.votes / progress.questions : 1
  return (
    <div className="judge" ref={place} tabIndex={-1}>
      {contest.guidelines && (
        <details className="guidelines" open>
          <summary>Guidelines</summary>
          <p className="said">{contest.guidelines}</p>
        </details>
      )}
      <div className="judge-head">
        <span>
          <b>{rater}</b>{' '}
          <button type="button" onClick={leave}>
            Someone else
          </button>
        </span>
        <span role="status">
          {formatInteger(progress.votes)} of {formatInteger(progress.questions)} answered · {formatInteger(Math.max(0, progress.dailyVotes - progress.today))} left today
        </span>
        <progress aria-label="Answered" max={1} value={share} />
      </div>
      {refusals.map((r) => (
        <div key={r.message} className="trouble" role="alert">
          <p>
            {r.message}
            {r.hint && <span className="dim"> {r.hint}</span>}
          </p>
        </div>
      ))}
      {error && <Trouble error={new Error(explain(error))} again={ask} />}
      {question === undefined && !error && <Loading what="question" rows={6} />}
      {question === null && (
        <Empty title="Everything is answered">
          <p>
            Thank you. <Link href={`/judge/${contest.id}/results`}>See the results</Link>
          </p>
        </Empty>
      )}
      {question && (
        <>
          <Card title="Prompt">
            <Text of={question.prompt} empty="The prompt is empty: a whole text was asked for." />
          </Card>
          <div className={pairs ? 'judge-sides' : undefined}>
            <Card title={pairs ? 'Left' : 'Answer'}>
              <Text of={question.left} empty="The answer is empty." />
            </Card>
            {pairs && (
              <Card title="Right">
                <Text of={question.right ?? ''} empty="The answer is empty." />
              </Card>
            )}
          </div>
        </>
      )}
      <div className="judge-keys" role="group" aria-label="Your judgement">
        {(pairs ? pairKeys : scaleKeys).map(([key, words, answer]) => (
          <button key={key} type="button" disabled={!question || busy} onClick={() => void vote(answer)}>
            <kbd>{key}</kbd> {words}
          </button>
        ))}
        <button type="button" disabled={!last || busy} onClick={() => void undo()}>
          <kbd>u</kbd> Undo
        </button>
      </div>
    </div>
  )
}

const pairKeys: [string, string, Answer][] = [
  ['1', 'Left is better', { choice: 'LEFT' }],
  ['2', 'Right is better', { choice: 'RIGHT' }],
  ['0', 'Equally good', { choice: 'TIE' }],
  ['9', 'Both bad', { choice: 'BOTH_BAD' }],
]

const scaleKeys: [string, string, Answer][] = [1, 2, 3, 4, 5].map((score) => [String(score), ['', 'Useless', 'Poor', 'Fair', 'Good', 'As good as can be'][score] ?? '', { score }])

function Text({ of, empty }: { of: string; empty: string }) {
  return of.trim() === '' ? <p className="said dim">{empty}</p> : <p className="said">{of}</p>
}
