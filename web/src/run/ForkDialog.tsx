import { useId, useState } from 'react'
import { useLocation } from 'wouter'
import { formatInteger } from '../format/number'
import { ForkRunDocument, RunStepsDocument, type RunHeadFragment } from '../gen/graphql'
import { useAsk } from '../link/useAsk'
import { Answers, Dialog } from '../parts/Dialog'
import { parseChanges, parseStep } from './changes'
import { Refusals } from './Refusals'
import { useWish } from './useWish'

// Asks from which step a new run is to go on, and with which settings changed; then shows the new run.
export function ForkDialog({ run, leave }: { run: RunHeadFragment; leave: () => void }) {
  const [, go] = useLocation()
  const [step, setStep] = useState('')
  const [name, setName] = useState('')
  const [changes, setChanges] = useState('')
  const { busy, refusals, refuse, wish } = useWish()
  const submit = async () => {
    const at = parseStep(step)
    if (at === undefined) return refuse(`“${step}” is no step`)
    const parsed = parseChanges(changes)
    if ('error' in parsed) return refuse(parsed.error)
    const config = Object.keys(parsed.config).length > 0 ? parsed.config : null
    const forked = await wish(ForkRunDocument, { input: { id: run.id, step: at, config, name: name.trim() || null } }, (d) => d.forkRun)
    if (forked?.run) go(`/run/${forked.run.id}`)
  }
  return (
    <Dialog title={`Fork ${run.name || run.id}`} leave={leave} submit={() => void submit()}>
      <p className="dim">A new run goes on from a checkpoint of this one, with some settings changed. This run stays as it is.</p>
      <StepField run={run} value={step} set={setStep} label="From step" hint="the last checkpoint" note="It begins at the newest checkpoint at or before the step." />
      <label>
        Settings to change
        <textarea rows={3} spellCheck={false} value={changes} placeholder={'optimizer.lr = 0.0005\nsteps = 2000'} onChange={(e) => setChanges(e.target.value)} />
        <span className="dim">One a line, by dotted path.</span>
      </label>
      <label>
        Name
        <input type="text" value={name} placeholder={`${run.name || run.id} from step …`} onChange={(e) => setName(e.target.value)} />
      </label>
      <Answers leave={leave} wish="Fork" busy={busy}>
        <Refusals of={refusals} />
      </Answers>
    </Dialog>
  )
}

// A step to type or to pick among those that have a checkpoint.
export function StepField({ run, value, set, label, hint, note }: { run: RunHeadFragment; value: string; set: (value: string) => void; label: string; hint: string; note: string }) {
  const { data } = useAsk(RunStepsDocument, { id: run.id })
  const steps = [...new Set(data?.run?.checkpoints.map((c) => c.step))].sort((a, b) => b - a)
  const list = useId()
  return (
    <label>
      {label}
      <input type="text" inputMode="numeric" list={list} autoComplete="off" value={value} placeholder={hint} onChange={(e) => set(e.target.value)} />
      <datalist id={list}>
        {steps.map((s) => (
          <option key={s} value={s} />
        ))}
      </datalist>
      <span className="dim">
        {note}
        {steps.length > 0 && ` Checkpoints: ${steps.slice(0, 8).map(formatInteger).join(', ')}${steps.length > 8 ? ', …' : ''}.`}
      </span>
    </label>
  )
}
