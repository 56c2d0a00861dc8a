import type { Sample } from '../run/Samples'
import type { ComparedRun } from './ComparePage'

export interface SampleRow {
  task: string
  prompt: string
  // By run: its newest text for this prompt.
  texts: (Sample | null)[]
}

// One row for each task and prompt that any run was given, with the newest text of each run.
export function sampleRows(runs: Pick<ComparedRun, 'evaluations' | 'texts'>[]): SampleRow[] {
  const rows = new Map<string, SampleRow>()
  runs.forEach((run, i) => {
    const samples: Sample[] = [
      ...run.evaluations.flatMap((e) => e.samples.map((s) => ({ ...s, step: e.step }))),
      ...run.texts.map((t) => ({ task: t.key, prompt: t.prompt, text: t.text, step: t.step })),
    ]
    for (const s of samples) {
      const id = `${s.task}\n${s.prompt}`
      const row = rows.get(id) ?? { task: s.task, prompt: s.prompt, texts: runs.map(() => null) }
      const known = row.texts[i]
      if (!known || s.step >= known.step) row.texts[i] = s
      rows.set(id, row)
    }
  })
  // What more runs answered is more of a comparison.
  const answered = (r: SampleRow) => r.texts.filter(Boolean).length
  return [...rows.values()].sort((a, b) => answered(b) - answered(a))
}
