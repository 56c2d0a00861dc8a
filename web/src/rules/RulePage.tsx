import { useState } from 'react'
import { Link, useLocation } from 'wouter'
import { formatInteger } from '../format/number'
import { formatTime } from '../format/time'
import { RemoveRuleDocument, RuleDocument, SaveRuleDocument, type RuleRowFragment } from '../gen/graphql'
import { useAsk } from '../link/useAsk'
import { useNudge } from '../link/useNudge'
import { Card } from '../parts/Card'
import { Copy } from '../parts/Command'
import { Answers, Dialog } from '../parts/Dialog'
import { Facts } from '../parts/Facts'
import { Empty, Loading, Trouble } from '../parts/State'
import { useTitle } from '../parts/title'
import { Refusals } from '../run/Refusals'
import { useWish } from '../run/useWish'
import { Firings } from './Firings'
import { ruleFacts } from './RulesPage'
import { Trial, TryButton } from './Trial'
import { useTrial, type Trying } from './useTrial'
import { useNames } from '../parts/useNames'
import { actionOf, onWords, onWritten, repeatWords, verbOf } from './words'

const sizes = [50, 500]

// One rule: what it says, what it did, and what can be wished of it.
export function RulePage({ id }: { id: string }) {
  const [first, setFirst] = useState(sizes[0] as number)
  const nudge = useNudge(ruleFacts)
  const { data, error, again } = useAsk(RuleDocument, { id, first }, { nudge })
  const r = data?.rule
  const trying = useTrial()
  useTitle(r?.name || 'Rule')
  if (!data) return error ? <Trouble error={error} again={again} /> : <Loading what="rule" rows={8} />
  if (!r)
    return (
      <Empty title="There is no such rule">
        <p>
          It may have been removed; what it did stands among <Link href="/rules">all rules</Link>.
        </p>
      </Empty>
    )
  return (
    <article>
      <header className="run-head">
        <div className="run-title">
          <h1>{r.name}</h1>
          <span className="kind">rule</span>
          <span className={r.enabled ? 'came came-done' : 'came'}>{r.enabled ? 'acts' : 'is still'}</span>
          <span className="spacer" />
          <Wishes rule={r} again={again} trying={trying} />
        </div>
        <p className="run-line">
          <span>version {r.version}</span>
          <span className="dot">·</span>
          <span>saved {formatTime(r.updatedAt)}</span>
          {r.by && (
            <>
              <span className="dot">·</span>
              <span>by {r.by}</span>
            </>
          )}
        </p>
        {r.note && <p className="note">{r.note}</p>}
        {r.trouble && (
          <div className="failure" role="alert">
            <b>It could not decide.</b> <code>{r.trouble}</code>
          </div>
        )}
      </header>
      <Says rule={r} />
      {(trying.progress || trying.trial || trying.refusals.length > 0) && (
        <Card title="Against the past week">
          <Trial trying={trying} />
        </Card>
      )}
      <Card title="What it did" flush={r.deeds.length > 0} aside={<span className="dim num">fired {r.firings === 1 ? 'once' : `${formatInteger(r.firings)} times`}</span>}>
        {r.deeds.length === 0 ? (
          <p className="dim">It has not fired yet.</p>
        ) : (
          <>
            <Firings of={r.deeds} />
            {r.deeds.length >= first && first < (sizes.at(-1) ?? 0) && (
              <p className="inset">
                <button type="button" onClick={() => setFirst(sizes.at(-1) as number)}>
                  Show more
                </button>
              </p>
            )}
          </>
        )}
      </Card>
    </article>
  )
}

function Says({ rule: r }: { rule: RuleRowFragment }) {
  const names = useNames([r.experimentId])
  const { action } = actionOf(r.then)
  return (
    <Card title="What it says" aside={<Copy text={JSON.stringify(jsonOf(r), null, 2)} label="Copy as JSON" />}>
      <div className="named">
        <Facts
          facts={[
            ['on', <code key="on">{onWords(r)}</code>],
            ['when', <code key="when" className="expression-whole">{r.when}</code>],
            [
              'then',
              <div key="then">
                {verbOf(action)}
                <pre className="json">{JSON.stringify(r.then, null, 2)}</pre>
              </div>,
            ],
            ['fires', repeatWords(r)],
            ['for runs of', r.experimentId ? <Link href={`/experiment/${encodeURIComponent(r.experimentId)}`}>{names.experiments.get(r.experimentId) ?? r.experimentId}</Link> : 'every experiment'],
          ]}
        />
      </div>
    </Card>
  )
}

// The rule as `millrace rule add` takes it.
const jsonOf = (r: RuleRowFragment) =>
  Object.fromEntries(Object.entries({ name: r.name, on: onWritten(r), metric: r.metric, when: r.when, then: r.then, repeat: r.repeat, experiment: r.experimentId, note: r.note }).filter(([, v]) => v !== ''))

function Wishes({ rule, again, trying }: { rule: RuleRowFragment; again: () => void; trying: Trying }) {
  const { busy, refusals, wish } = useWish()
  const [removing, remove] = useState(false)
  const turn = async () => {
    await wish(SaveRuleDocument, { input: { id: rule.id, rule: { enabled: !rule.enabled } } }, (d) => d.saveRule)
    again()
  }
  return (
    <span className="actions" role="group" aria-label="What to do with the rule">
      <Refusals of={refusals} />
      <TryButton trying={trying} input={() => ({ id: rule.id })} />
      <button type="button" disabled={busy} onClick={() => void turn()} title={rule.enabled ? 'It decides nothing until it is enabled again' : 'It acts on what happens from now on'}>
        {rule.enabled ? 'Disable' : 'Enable'}
      </button>
      <button type="button" aria-haspopup="dialog" onClick={() => remove(true)}>
        Remove…
      </button>
      {removing && <Remove rule={rule} leave={() => remove(false)} />}
    </span>
  )
}

function Remove({ rule, leave }: { rule: RuleRowFragment; leave: () => void }) {
  const [, go] = useLocation()
  const { busy, refusals, wish } = useWish()
  const submit = async () => {
    if (await wish(RemoveRuleDocument, { input: { id: rule.id } }, (d) => d.removeRule)) go('/rules')
  }
  return (
    <Dialog title={`Remove ${rule.name}?`} leave={leave} submit={() => void submit()}>
      <p>It acts no more. What it did stays readable among all rules.</p>
      <Answers leave={leave} wish="Remove" busy={busy} danger>
        <Refusals of={refusals} />
      </Answers>
    </Dialog>
  )
}
