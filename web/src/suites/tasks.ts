// A task as a suite's definition has it.
export interface Task {
  name: string
  version: number
  kind: string
  metrics: string[]
  fewShot: string
  // What its examples are: the form of a file, or what stands in the task itself.
  reads: string
  digest: string
  needsFile: boolean
}

const record = (v: unknown): Record<string, unknown> => (typeof v === 'object' && v !== null && !Array.isArray(v) ? (v as Record<string, unknown>) : {})
const text = (v: unknown) => (typeof v === 'string' ? v : '')
const number = (v: unknown) => (typeof v === 'number' ? v : 0)

// The tasks of a definition, which a node of another version may write otherwise: what is not understood is left out.
export function tasksIn(definition: unknown): Task[] {
  const list = record(definition).tasks
  if (!Array.isArray(list)) return []
  return list.map((raw: unknown): Task => {
    const t = typeof raw === 'string' ? { name: raw } : record(raw)
    const source = record(t.source)
    const form = text(source.form)
    const prompts = Array.isArray(t.prompts) ? t.prompts.length : 0
    const heldOut = text(t.kind) === 'perplexity' && form === ''
    return {
      name: text(t.name),
      version: number(t.version),
      kind: text(t.kind),
      metrics: Array.isArray(t.metrics) ? t.metrics.filter((m) => typeof m === 'string') : [],
      fewShot: number(t.few_shot) > 0 ? String(t.few_shot) : '0',
      reads: form || (prompts > 0 ? `${prompts} prompts of its own` : heldOut ? 'the dataset’s held-out split' : ''),
      digest: text(source.digest),
      needsFile: form !== '',
    }
  })
}
