import { useEffect, useState } from 'react'
import { decode, formatBytes, formatInteger, formatValue } from '../format/number'
import { WhyDocument, type DecisionFragment } from '../gen/graphql'
import { useAsk } from '../link/useAsk'
import { Card } from '../parts/Card'
import { Command, Digest } from '../parts/Command'
import { Facts } from '../parts/Facts'
import { Loading, Trouble } from '../parts/State'
import { Rule } from './Report'

// A box that takes the id of a document, or a text, and says what became of it. `asked` is the question so far, "" for none.
export function WhyBox({ id, name, asked, ask }: { id: string; name: string; asked: string; ask: (question: string) => void }) {
  const [text, setText] = useState(asked)
  useEffect(() => setText(asked), [asked])
  return (
    <Card title="Why was this dropped, or kept?">
      <form
        className="why"
        role="search"
        onSubmit={(e) => {
          e.preventDefault()
          ask(text)
        }}
      >
        <textarea
          rows={Math.min(6, text.split('\n').length + Math.floor(text.length / 120))}
          aria-label="Id of a document, or a text"
          placeholder="docs/page.html, or a text to look for"
          value={text}
          onChange={(e) => setText(e.target.value)}
          onKeyDown={(e) => {
            if (e.key === 'Enter' && !e.shiftKey) {
              e.preventDefault()
              ask(text)
            }
          }}
        />
        <button type="submit" disabled={text.trim() === ''}>
          Ask
        </button>
      </form>
      {asked.trim() !== '' && <Answer id={id} name={name} asked={asked} />}
    </Card>
  )
}

function Answer({ id, name, asked }: { id: string; name: string; asked: string }) {
  const { data, error, stale, again } = useAsk(WhyDocument, { id, document: asked.trim(), text: asked })
  if (stale || (!data && !error)) return <Loading what="answer" rows={2} />
  const d = data?.dataset
  if (error || !d) return <Trouble error={error ?? new Error('There is no such dataset any more.')} again={again} />
  const byId = d.byId.decisions.length > 0
  const found = byId ? d.byId.decisions : d.byText.decisions
  const unknown = !byId && d.byText.match === 'NONE'
  return (
    <div aria-live="polite">
      {unknown && (
        <p className="why-note">
          No document of this id, and no text like this, was in the sources.
          {found.length > 0 ? ' As a text by itself, it would be:' : ' What the filters would decide of it cannot be said: the lists and models that they ask are elsewhere, or have changed.'}
        </p>
      )}
      {!byId && d.byText.match === 'NEARLY' && <p className="why-note">White space and cleaning aside, this is the text of:</p>}
      {found.slice(0, 5).map((e) => (
        <Decision key={`${e.source}/${e.document}`} of={e} name={name} />
      ))}
      {found.length > 5 && <p className="dim">and of {formatInteger(found.length - 5)} more</p>}
    </div>
  )
}

function Decision({ of: e, name }: { of: DecisionFragment; name: string }) {
  return (
    <section className={e.kept ? 'verdict verdict-identical' : 'verdict verdict-different'} aria-label="Decision">
      <b className="verdict-word">{e.kept ? '✓ kept' : '✕ dropped'}</b>
      <div className="decision">
        {e.rule && (
          <p>
            by{' '}
            <code>
              <Rule name={e.rule} />
            </code>
            : measured <b className="num">{formatValue(decode(e.value))}</b>, threshold <b className="num">{formatValue(decode(e.threshold))}</b>
          </p>
        )}
        {e.repeats && (
          <p>
            repeats <code>{`${e.repeats.source}/${e.repeats.document}`}</code>
            {e.repeats.text && <>: “{e.repeats.text}”</>}
          </p>
        )}
        <Facts
          facts={[
            ['document', e.document && <code>{`${e.source}/${e.document}`}</code>],
            ['text', e.digest && <Digest digest={e.digest} />],
            ['size', formatBytes(e.bytes)],
            ['language', e.language],
            ['recipe', <Digest digest={e.recipeDigest} />],
            ['is in', e.places.map((p) => `${p.split}, shard ${p.shard}, document ${p.document}`).join('; ')],
          ]}
        />
        {e.kept && e.document && <Command>{`millrace curate text ${name} ${e.source}/${e.document} --diff`}</Command>}
        {e.values.length > 0 && (
          <details>
            <summary>What was measured</summary>
            <dl className="measured">
              {e.values.map((v) => (
                <div key={v.name}>
                  <dt>{v.name.replaceAll('_', ' ')}</dt>
                  <dd className="num">{formatInteger(v.value)}</dd>
                </div>
              ))}
            </dl>
          </details>
        )}
      </div>
    </section>
  )
}
