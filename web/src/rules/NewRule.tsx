import { useState } from 'react'
import { useLocation } from 'wouter'
import { ReadyRulesDocument, SaveRuleDocument } from '../gen/graphql'
import { useAsk } from '../link/useAsk'
import { Answers, Dialog } from '../parts/Dialog'
import { Loading, Trouble } from '../parts/State'
import { Refusals } from '../run/Refusals'
import { useWish } from '../run/useWish'
import { Trial, TryButton } from './Trial'
import { useTrial } from './useTrial'
import { fill, onWords, readReady, type Ready } from './words'

const own = 'one of your own'

const example = JSON.stringify({ name: 'careful', on: 'run.alert_raised', when: "event.level == 'error' && run.kind == 'train'", then: { stop: { reason: '=event.title' } } }, null, 2)

// Makes a rule from a ready-made one, or from JSON.
export function NewRule({ leave }: { leave: () => void }) {
  const [, go] = useLocation()
  const { data, error, again } = useAsk(ReadyRulesDocument, {})
  const [chosen, choose] = useState('')
  const [values, setValues] = useState<Record<string, string>>({})
  const [name, setName] = useState('')
  const [experiment, setExperiment] = useState('')
  const [json, setJSON] = useState(example)
  const [enabled, enable] = useState(true)
  const { busy, refusals, refuse, wish } = useWish()
  const templates = readReady(data?.readyRules ?? [])
  const template = chosen === own ? undefined : (templates.find((t) => t.ready === chosen) ?? templates[0])
  const set = { ...template?.set, ...values }
  const trying = useTrial()
  // The rule as it stands in the dialog; null where it cannot be read, and then it says why.
  const wished = () => {
    let rule: Record<string, unknown> = {}
    if (!template) {
      try {
        rule = JSON.parse(json) as Record<string, unknown>
      } catch (e) {
        refuse(`The rule is no JSON: ${(e as Error).message}`)
        return null
      }
    }
    const missing = Object.keys(set).filter((k) => !set[k]?.trim())
    if (template && missing.length > 0) {
      refuse(`${missing.join(', ')} must be set`)
      return null
    }
    if (name.trim()) rule.name = name.trim()
    if (experiment) rule.experiment = experiment
    if (!enabled) rule.enabled = false
    return { ready: template?.ready, set: template ? Object.entries(set).map(([key, value]) => ({ key, value: value.trim() })) : undefined, rule: Object.keys(rule).length > 0 ? rule : undefined }
  }
  const submit = async () => {
    const input = wished()
    const saved = input && (await wish(SaveRuleDocument, { input }, (d) => d.saveRule))
    if (saved?.rule) go(`/rule/${encodeURIComponent(saved.rule.id.replace(/^rule:/, ''))}`)
  }
  return (
    <Dialog title="New rule" leave={leave} submit={() => void submit()}>
      {!data ? (
        error ? <Trouble error={error} again={again} /> : <Loading what="ready-made rules" rows={3} />
      ) : (
        <>
          <label>
            Begin with
            <select value={template?.ready ?? own} onChange={(e) => (choose(e.target.value), setValues({}))}>
              {templates.map((t) => (
                <option key={t.ready} value={t.ready}>
                  {t.ready.replaceAll('-', ' ')}
                </option>
              ))}
              <option>{own}</option>
            </select>
            {template && <span className="dim">{template.note}</span>}
          </label>
          {template ? (
            <>
              <div className="settings">
                {Object.keys(template.set).map((key) => (
                  <label key={key}>
                    {key}
                    <input type="text" value={set[key] ?? ''} required={template.set[key] === ''} placeholder={hints[key] ?? ''} spellCheck={false} onChange={(e) => setValues({ ...values, [key]: e.target.value })} />
                  </label>
                ))}
              </div>
              <Preview template={template} set={set} />
            </>
          ) : (
            <label>
              Rule
              <textarea rows={10} spellCheck={false} value={json} onChange={(e) => setJSON(e.target.value)} />
              <span className="dim">on a fact, when a CEL expression holds, then an action: docs/rules.md</span>
            </label>
          )}
          <label>
            Name
            <input type="text" value={name} placeholder={template ? String(fill(template.rule.name, set)) : 'as the rule says'} onChange={(e) => setName(e.target.value)} />
          </label>
          <label>
            For runs of
            <select value={experiment} onChange={(e) => setExperiment(e.target.value)}>
              <option value="">every experiment</option>
              {data.experiments.nodes.map((e) => (
                <option key={e.id} value={e.id}>
                  {e.name}
                </option>
              ))}
            </select>
          </label>
          <label className="check">
            <input type="checkbox" checked={enabled} onChange={(e) => enable(e.target.checked)} /> Acts at once
          </label>
          <Trial trying={trying} few />
        </>
      )}
      <Answers leave={leave} wish="Save" busy={busy || !data}>
        <Refusals of={refusals} />
        {data && <TryButton trying={trying} input={wished} />}
      </Answers>
    </Dialog>
  )
}

const hints: Record<string, string> = { metric: 'eval/SUITE/TASK/METRIC', dollars: '25', alias: 'production' }

// The rule as it will be saved.
function Preview({ template, set }: { template: Ready; set: Record<string, string> }) {
  const rule = fill(template.rule, set) as { on: string; metric?: string; when: string; then: unknown }
  return (
    <pre className="rule-preview" tabIndex={0} aria-label="The rule">
      <b>on</b> {onWords({ on: rule.on, metric: rule.metric ?? '' })}
      {'\n'}
      <b>when</b> {rule.when}
      {'\n'}
      <b>then</b> {JSON.stringify(rule.then)}
    </pre>
  )
}
