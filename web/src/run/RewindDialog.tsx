import { useState } from 'react'
import { RewindRunDocument, type RunHeadFragment } from '../gen/graphql'
import { Answers, Dialog } from '../parts/Dialog'
import { parseStep } from './changes'
import { StepField } from './ForkDialog'
import { Refusals } from './Refusals'
import { useWish } from './useWish'

// Asks back to which step a run is to go.
export function RewindDialog({ run, leave }: { run: RunHeadFragment; leave: () => void }) {
  const [step, setStep] = useState('')
  const { busy, refusals, refuse, wish } = useWish()
  const submit = async () => {
    const at = parseStep(step)
    if (at === undefined || at === null) return refuse(step.trim() ? `“${step}” is no step` : 'Which step is the last to keep?')
    if (await wish(RewindRunDocument, { input: { id: run.id, step: at } }, (d) => d.rewindRun)) leave()
  }
  return (
    <Dialog title={`Rewind ${run.name || run.id}`} leave={leave} submit={() => void submit()}>
      <p className="dim">What was logged after the step is hidden; it stays in the log. Resumed, the run goes on from the newest checkpoint at or before it.</p>
      <StepField run={run} value={step} set={setStep} label="Last step to keep" hint="100" note="" />
      <Answers leave={leave} wish="Rewind" busy={busy}>
        <Refusals of={refusals} />
      </Answers>
    </Dialog>
  )
}
