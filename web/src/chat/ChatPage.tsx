import { useEffect, useRef, useState } from 'react'
import { Link, useSearchParams } from 'wouter'
import { Card } from '../parts/Card'
import { Empty, Loading, Trouble } from '../parts/State'
import { Choice } from '../parts/Toggle'
import { useTitle } from '../parts/title'
import { numbers, offers, say, usual, type Offer, type Settings, type Turn } from './stream'
import { Tuning } from './Tuning'

const ways = ['chat', 'go on'] as const

// Talks to a checkpoint. The conversation is the page's own: nothing keeps it.
export function ChatPage() {
  useTitle('Chat')
  const [params, setParams] = useSearchParams()
  const [models, setModels] = useState<Offer[]>()
  const [error, setError] = useState<Error>()
  const [asked, again] = useState(0)
  useEffect(() => {
    const gone = new AbortController()
    offers(gone.signal).then(
      (list) => (setModels(list), setError(undefined)),
      (e: Error) => gone.signal.aborted || setError(e),
    )
    return () => gone.abort()
  }, [asked])
  if (error) return <Trouble error={error} again={() => again(asked + 1)} />
  if (!models) return <Loading what="checkpoints" />
  const [newest] = models
  if (!newest)
    return (
      <Empty title="There is nobody to talk to yet">
        <p>
          <Link href="/">Train a model</Link>; its checkpoints answer here.
        </p>
      </Empty>
    )
  const model = params.get('model') ?? newest.id
  const listed = models.some((m) => m.id === model)
  return (
    <>
      <h1 className="page-title">Chat</h1>
      <Talk
        key={model}
        model={model}
        pick={
          <label>
            Checkpoint
            <select aria-label="Checkpoint" value={model} onChange={(e) => setParams({ model: e.target.value }, { replace: true })}>
              {!listed && <option>{model}</option>}
              {models.map((m) => (
                <option key={m.id} value={m.id}>
                  {m.label ? `${m.label} · step ${m.step?.toLocaleString('en')}` : m.id}
                </option>
              ))}
            </select>
          </label>
        }
      />
    </>
  )
}

function Talk({ model, pick }: { model: string; pick: React.ReactNode }) {
  const [turns, setTurns] = useState<Turn[]>([])
  const [text, write] = useState('')
  const [way, setWay] = useState<(typeof ways)[number]>('chat')
  const [settings, tune] = useState<Settings>(usual)
  const [note, setNote] = useState('')
  const [speaking, setSpeaking] = useState<AbortController>()
  const field = useRef<HTMLTextAreaElement>(null)
  const end = useRef<HTMLDivElement>(null)
  const line = useRef<AbortController>(undefined)
  line.current = speaking
  useEffect(() => () => line.current?.abort(), [])
  useEffect(() => {
    void end.current?.scrollIntoView({ block: 'nearest' }) // newer browsers return a promise, which is no clean-up
  }, [turns])
  const plain = way === 'go on'
  const given = numbers(settings)

  async function ask() {
    if (speaking || typeof given === 'string' || (text === '' && !plain)) return
    const said: Turn[] = [...turns, { role: 'user', content: text }]
    setTurns([...said, { role: 'assistant', content: '' }])
    write('')
    setNote('')
    const control = new AbortController()
    setSpeaking(control)
    try {
      const why = await say(model, said, plain, given as Record<string, number>, (piece) => setTurns((all) => all.map((t, i) => (i === all.length - 1 ? { ...t, content: t.content + piece } : t))), control.signal)
      if (why === 'length') setNote('It stopped at the most tokens, or at the end of its context.')
    } catch (e) {
      setNote(control.signal.aborted ? 'Stopped.' : (e as Error).message)
    }
    setSpeaking(undefined)
    field.current?.focus()
  }

  return (
    <div className="talk">
      <Card
        title="Conversation"
        aside={
          <>
            <Choice label="What the model does" value={way} of={ways} set={(w) => (setWay(w), setTurns([]), setNote(''))} />
            <button type="button" disabled={turns.length === 0 || speaking !== undefined} onClick={() => (setTurns([]), setNote(''))}>
              Begin anew
            </button>
          </>
        }
      >
        <form className="ask" onSubmit={(e) => e.preventDefault()}>
          {pick}
          <Tuning settings={settings} set={tune} />
        </form>
        <div className="turns" role="log" aria-live="polite" aria-busy={speaking !== undefined} tabIndex={0} aria-label="What was said">
          {turns.map((t, i) => (
            <p key={i} className={plain ? 'turn plain' : `turn ${t.role}`} data-role={t.role}>
              {t.content}
              {speaking && i === turns.length - 1 && <span className="caret" aria-hidden="true" />}
            </p>
          ))}
          <div ref={end} />
        </div>
        <p className="dim note" role="status">
          {typeof given === 'string' ? given : note}
        </p>
        <form
          className="say"
          onSubmit={(e) => {
            e.preventDefault()
            void ask()
          }}
        >
          <textarea
            ref={field}
            rows={3}
            autoFocus
            value={text}
            aria-label={plain ? 'Text to go on with' : 'Message'}
            placeholder={plain ? 'A text, for the model to go on with' : 'Say something; Enter sends, Shift+Enter is a new line, Escape stops'}
            onChange={(e) => write(e.target.value)}
            onKeyDown={(e) => {
              if (e.key === 'Enter' && !e.shiftKey && !e.nativeEvent.isComposing) {
                e.preventDefault()
                void ask()
              }
              if (e.key === 'Escape') speaking?.abort()
            }}
          />
          {speaking ? (
            <button type="button" onClick={() => speaking.abort()}>
              Stop
            </button>
          ) : (
            <button type="submit" className="primary" disabled={typeof given === 'string'}>
              {plain ? 'Go on' : 'Send'}
            </button>
          )}
        </form>
      </Card>
    </div>
  )
}
