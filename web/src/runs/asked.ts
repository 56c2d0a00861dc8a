import type { RunFilter, RunKind, RunOrder, RunStatus } from '../gen/graphql'

// What the table of runs is asked to show. It lives in the page's address, so that a view can be shared.
export interface Asked {
  // A condition in the node's language; plain words look for themselves.
  where: string
  kind: RunKind | ''
  status: RunStatus | ''
  evaluations: boolean
  archived: boolean
  experiment: string
  // A column's id, and its direction.
  sort: string
  descending: boolean
  // An order in the node's language, which stands before the column's; "" for none.
  order: string
  // Fields in the node's language, with commas between: what runs are grouped by ("" shows runs), and of which the groups show
  // the spread.
  group: string
  spread: string
}

export const kinds: readonly RunKind[] = ['CURATE', 'TRAIN', 'FINETUNE', 'EVALUATE', 'EXTERNAL', 'JUDGE']
export const statuses: readonly RunStatus[] = ['PENDING', 'RUNNING', 'FINISHED', 'FAILED', 'STOPPED', 'CRASHED', 'PAUSED']

const one = <T extends string>(of: readonly T[], text: string | null): T | '' => of.find((t) => t === text?.toUpperCase()) ?? ''

export function read(params: URLSearchParams): Asked {
  const sort = params.get('sort') ?? '-created'
  return {
    where: params.get('q') ?? '',
    kind: one(kinds, params.get('kind')),
    status: one(statuses, params.get('status')),
    evaluations: params.get('evaluations') === '1',
    archived: params.get('archived') === '1',
    experiment: params.get('experiment') ?? '',
    sort: sort.replace(/^-/, ''),
    descending: sort.startsWith('-'),
    order: params.get('order') ?? '',
    group: params.get('group') ?? '',
    spread: params.get('spread') ?? '',
  }
}

export function write(asked: Asked): URLSearchParams {
  const params = new URLSearchParams()
  if (asked.where) params.set('q', asked.where)
  if (asked.kind) params.set('kind', asked.kind.toLowerCase())
  if (asked.status) params.set('status', asked.status.toLowerCase())
  if (asked.evaluations) params.set('evaluations', '1')
  if (asked.archived) params.set('archived', '1')
  if (asked.experiment) params.set('experiment', asked.experiment)
  const sort = (asked.descending ? '-' : '') + asked.sort
  if (sort !== '-created') params.set('sort', sort)
  if (asked.order) params.set('order', asked.order)
  if (asked.group) params.set('group', asked.group)
  if (asked.spread) params.set('spread', asked.spread)
  return params
}

// Evaluations outnumber everything else, and stand under the runs they judge: they are left out unless asked for, be it by the
// condition.
export function filterOf(asked: Asked): RunFilter {
  const filter: RunFilter = {}
  if (asked.kind) filter.kind = [asked.kind]
  else if (!asked.evaluations && !namesKind(asked.where)) filter.kind = kinds.filter((k) => k !== 'EVALUATE')
  if (asked.status) filter.status = [asked.status]
  if (asked.experiment) filter.experiment = asked.experiment
  if (asked.archived) filter.archived = true
  return filter
}

// Whether a condition compares the kind of runs.
export const namesKind = (where: string): boolean => /(^|[\s(!&|])kind\s*(=|!|~|in\b|not\b|contains\b)/i.test(where.replace(/"(\\.|[^"\\])*"|'(\\.|[^'\\])*'/g, '""'))

// Columns that the node can put in order; `scoreKey` is the metric that the score column shows.
export function orderOf(asked: Asked, scoreKey: string | null): RunOrder {
  const direction = asked.descending ? 'DESC' : 'ASC'
  switch (asked.sort) {
    case 'name':
      return { field: 'NAME', direction }
    case 'kind':
      return { field: 'KIND', direction }
    case 'status':
      return { field: 'STATUS', direction }
    case 'duration':
      return { field: 'DURATION', direction }
    case 'cost':
      return { field: 'COST', direction }
    case 'experiment':
      return { field: 'EXPERIMENT', direction }
    case 'by':
      return { field: 'BY', direction }
    case 'ended':
      return { field: 'ENDED', direction }
    case 'tokens':
      return { field: 'TOKENS', direction }
    case 'flops':
      return { field: 'FLOPS', direction }
    case 'device_seconds':
      return { field: 'DEVICE_SECONDS', direction }
    case 'joules':
      return { field: 'JOULES', direction }
    case 'train_loss':
      return { field: 'METRIC', key: 'train/loss', direction }
    case 'val_loss':
      return { field: 'METRIC', key: 'val/loss', direction }
    case 'speed':
      return { field: 'METRIC', key: 'tokens_per_second', direction }
    case 'score':
      if (scoreKey) return { field: 'METRIC', key: scoreKey, direction }
  }
  return { field: 'CREATED', direction }
}
