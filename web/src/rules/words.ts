// What a rule does and what came of it, in words.

const record = (v: unknown): Record<string, unknown> => (typeof v === 'object' && v !== null && !Array.isArray(v) ? (v as Record<string, unknown>) : {})

const verbs: Record<string, string> = {
  stop: 'stop the run',
  rollback: 'roll the run back',
  fork: 'fork the run',
  alias: 'point an alias',
  evaluate: 'evaluate',
  reproduce: 'reproduce the run',
  train: 'start a training',
  finetune: 'start a fine-tuning',
  curate: 'start a curation',
  alert: 'raise an alert',
  webhook: 'call a webhook',
  email: 'send an e-mail',
}

export const verbOf = (action: string): string => verbs[action] ?? action

// Which field of an action says most about it.
const telling: Record<string, string[]> = { alias: ['alias'], evaluate: ['suite'], alert: ['title'], webhook: ['url', 'url_env'], email: ['to'] }

// The action that a rule asks for: its name and, where one field says most, that field.
export function actionOf(then: unknown): { action: string; about: string } {
  const [action = '', fields] = Object.entries(record(then))[0] ?? []
  const key = telling[action]?.find((k) => record(fields)[k])
  const value = key ? record(fields)[key] : undefined
  return { action, about: typeof value === 'string' ? value : Array.isArray(value) ? value.join(', ') : '' }
}

// Whether a rule follows points of series. The node has its own name for what people write as "points".
const onPoints = (rule: { on: string }): boolean => rule.on === 'points' || rule.on === 'metrics.logged'

// The fact that a rule waits for: "points of val/loss", "evaluation.completed".
export const onWords = (rule: { on: string; metric: string }): string => (onPoints(rule) ? `points of ${rule.metric}` : rule.on)

// As people write it.
export const onWritten = (rule: { on: string }): string => (onPoints(rule) ? 'points' : rule.on)

// How often it fires. On points it is once for a run unless told otherwise, and on each fact elsewhere.
export function repeatWords(rule: { on: string; repeat: string }): string {
  switch (rule.repeat || (onPoints(rule) ? 'run' : 'fact')) {
    case 'fact':
      return 'for each fact'
    case 'run':
      return 'once for each run'
  }
  return `at most every ${rule.repeat} for each run`
}

// "waits" is a message in its queue; all else but the messages' is as the node has it.
export type Came = 'done' | 'delivered' | 'waits' | 'not delivered' | 'needless' | 'refused' | 'failed' | 'open' | 'error'

export function cameOf(f: { action: string; outcome: string; result: string }): Came {
  if (f.outcome === 'done' && (f.action === 'webhook' || f.action === 'email')) {
    if (f.result.startsWith('the message was given up')) return 'not delivered'
    return f.result === 'the message was delivered' ? 'delivered' : 'waits'
  }
  return f.outcome as Came
}

export const cameWords: Record<Came, string> = {
  done: '✓ done',
  delivered: '✓ delivered',
  waits: '… waits to be delivered',
  'not delivered': '✕ not delivered',
  needless: 'needless',
  refused: '✕ refused',
  failed: '✕ failed',
  open: '… being done',
  error: '! could not decide',
}

// A template of a rule, ready to be filled in.
export interface Ready {
  ready: string
  note: string
  // What can be set, with what it is when nobody sets it; "" has to be set.
  set: Record<string, string>
  rule: Record<string, unknown>
}

export function readReady(all: readonly unknown[]): Ready[] {
  return all.flatMap((raw) => {
    const r = record(raw)
    if (typeof r.ready !== 'string') return []
    const set = Object.fromEntries(Object.entries(record(r.set)).map(([k, v]) => [k, String(v)]))
    return [{ ready: r.ready, note: typeof r.note === 'string' ? r.note : '', set, rule: record(r.rule) }]
  })
}

// A template's rule with what is set put in, as it will be saved; what is not set yet stays visible.
export function fill(value: unknown, set: Record<string, string>): unknown {
  if (typeof value === 'string') return value.replace(/\$\{(\w+)\}/g, (whole, name: string) => set[name] || whole)
  if (Array.isArray(value)) return value.map((v) => fill(v, set))
  if (typeof value === 'object' && value !== null) return Object.fromEntries(Object.entries(value).map(([k, v]) => [fill(k, set) as string, fill(v, set)]))
  return value
}
