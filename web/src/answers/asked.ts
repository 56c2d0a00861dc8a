// What of an evaluation is shown. It lives in the page's address, so that a view can be shared.
export interface Asked {
  task: string
  show: Show
  words: string
  // The run of the evaluation that this one is held against; "" shows this one alone.
  against: string
  change: Change
}

export const shown = ['all', 'wrong', 'right'] as const
export type Show = (typeof shown)[number]

export const changes = ['changed', 'newly right', 'newly wrong', 'still right', 'still wrong', 'all'] as const
export type Change = (typeof changes)[number]

const one = <T extends string>(of: readonly T[], text: string | null): T => of.find((t) => t === text) ?? (of[0] as T)

export const read = (params: URLSearchParams): Asked => ({
  task: params.get('task') ?? '',
  show: one(shown, params.get('show')),
  words: params.get('q') ?? '',
  against: params.get('against') ?? '',
  change: one(changes, params.get('change')),
})

export function write(asked: Asked): URLSearchParams {
  const params = new URLSearchParams()
  if (asked.task) params.set('task', asked.task)
  if (asked.show !== shown[0]) params.set('show', asked.show)
  if (asked.words) params.set('q', asked.words)
  if (asked.against) params.set('against', asked.against)
  if (asked.against && asked.change !== changes[0]) params.set('change', asked.change)
  return params
}

// The global id of an evaluation, by the id of its own run.
export const evaluationId = (run: string) => `evaluation:${run}`

// Where its answers are shown.
export const answersOf = (run: string, task = '') => `/run/${run}/answers${task && `?task=${encodeURIComponent(task)}`}`

// The condition that finds evaluations on a suite, of any version; the node looks for a part of the name, so `isOn` has the last word.
export const judgedOn = (suite: string) => `kind = evaluate and status = finished and (config.suite = ${JSON.stringify(suite)} or config.suite ~ ${JSON.stringify(`${suite}@`)})`

// Whether an evaluation with this configuration was on a suite: by its name, or its name@version.
export function isOn(config: unknown, suite: string): boolean {
  const named = typeof config === 'object' && config !== null ? (config as { suite?: unknown }).suite : undefined
  return typeof named === 'string' && (named === suite || named.replace(/@\d+$/, '') === suite)
}
