import type { ReactNode } from 'react'
import { decode, formatPercent, formatValue } from '../format/number'
import type { AnswerPartsFragment } from '../gen/graphql'
import { shares } from './scan'

export const verdicts = { right: '✓ right', wrong: '✕ wrong', unjudged: 'not judged' } as const

export const verdictOf = (a: AnswerPartsFragment): keyof typeof verdicts => (a.right === null ? 'unjudged' : a.right ? 'right' : 'wrong')

// Right or wrong, as a word with a sign.
export const Right = ({ of }: { of: AnswerPartsFragment }) => <span className={`answer-${verdictOf(of)}`}>{verdicts[verdictOf(of)]}</span>

// One example: what was asked on one side, what the model made of it on the other.
export function AnswerBox({ answer, aside }: { answer: AnswerPartsFragment; aside?: ReactNode }) {
  return (
    <li className="answer">
      <header>
        <Right of={answer} />
        <span className="dim">
          {answer.task} <code>{answer.id}</code>
        </span>
        <span className="spacer" />
        {aside}
        <Marks of={answer} />
      </header>
      <div className={answer.got.length + answer.choices.length > 0 ? 'answer-sides' : undefined}>
        <Prompt of={answer} />
        <Said of={answer} />
      </div>
    </li>
  )
}

// One example in two evaluations.
export function ChangedBox({ was, is, word, names }: { was: AnswerPartsFragment; is: AnswerPartsFragment; word: ReactNode; names: [was: ReactNode, is: ReactNode] }) {
  return (
    <li className="answer">
      <header>
        {word}
        <span className="dim">
          {is.task} <code>{is.id}</code>
        </span>
      </header>
      <Prompt of={is} />
      <div className="answer-sides">
        {([was, is] as const).map((a, i) => (
          <div key={i}>
            <h3 className="answer-which">
              {names[i]} <Right of={a} />
            </h3>
            <Said of={a} />
            <Marks of={a} />
          </div>
        ))}
      </div>
    </li>
  )
}

const Prompt = ({ of }: { of: AnswerPartsFragment }) =>
  of.prompt.trim() === '' ? (
    <p className="dim">The prompt is empty.</p>
  ) : (
    <pre className="answer-text" tabIndex={0} aria-label="Prompt">
      {of.prompt}
    </pre>
  )

function Said({ of }: { of: AnswerPartsFragment }) {
  if (of.choices.length > 0) return <Choices of={of} />
  if (of.got.length === 0) return null
  return (
    <div className="answer-said">
      {of.got.map((text, i) => (
        <div key={i}>
          <span className="dim">said{of.got.length > 1 && ` (${i + 1} of ${of.got.length})`}</span>
          {text.trim() === '' ? (
            <p className="dim">nothing</p>
          ) : (
            <pre className="answer-text" tabIndex={0} aria-label="What the model said">
              {text}
            </pre>
          )}
        </div>
      ))}
      {of.want !== '' && (
        <div>
          <span className="dim">wanted</span>
          <pre className="answer-text answer-wanted" tabIndex={0} aria-label="What was wanted">
            {of.want}
          </pre>
        </div>
      )}
    </div>
  )
}

// What could be chosen, how likely each was, which was taken and which is right.
function Choices({ of }: { of: AnswerPartsFragment }) {
  const logProbs = of.logProbs.map((p) => decode(p))
  const share = shares(logProbs)
  return (
    <table className="choices">
      <thead className="hidden">
        <tr>
          <th scope="col">choice</th>
          <th scope="col">is</th>
          <th scope="col">share</th>
          <th scope="col">log-probability</th>
        </tr>
      </thead>
      <tbody>
        {of.choices.map((choice, i) => {
          const taken = of.got.includes(choice)
          const wanted = of.want === choice
          return (
            <tr key={i} className={wanted ? 'choice-wanted' : taken ? 'choice-wrong' : undefined}>
              <td className="choice-text">{choice}</td>
              <td className="choice-is">{wanted ? (taken ? '✓ taken' : 'wanted') : taken ? '✕ taken' : ''}</td>
              <td className="choice-bar" title={logProbs.length > i ? `${formatPercent(100 * (share[i] ?? 0))} of what the choices have together` : undefined}>
                <span aria-hidden="true">
                  <i style={{ width: `${100 * (share[i] ?? 0)}%` }} />
                </span>
              </td>
              <td className="right num" title="natural logarithm of its probability">
                {logProbs.length > i ? formatValue(logProbs[i]) : ''}
              </td>
            </tr>
          )
        })}
      </tbody>
    </table>
  )
}

const Marks = ({ of }: { of: AnswerPartsFragment }) => (
  <span className="answer-marks num dim">
    {of.scores.map((s) => (
      <span key={s.metric}>
        {s.metric.replaceAll('_', ' ')} <b>{formatValue(decode(s.value), 3)}</b>
      </span>
    ))}
  </span>
)
