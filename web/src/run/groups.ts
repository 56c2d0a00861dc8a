import { byImportance } from '../metrics/order'

export interface Group {
  name: string
  keys: string[]
}

const first = ['loss', 'general', 'train', 'val', 'eval']

// Metrics by the part before the first slash; losses stand together at the top, since they are read together, and metrics that
// would be alone in their group are general.
export function groups(keys: string[], search = ''): Group[] {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean)
  const by = new Map<string, string[]>()
  for (const key of keys) {
    const lower = key.toLowerCase()
    if (!words.every((w) => lower.includes(w))) continue
    const slash = key.indexOf('/')
    const name = /^(train|val|test)\/loss$/.test(key) || key === 'loss' ? 'loss' : slash > 0 ? key.slice(0, slash) : 'general'
    const list = by.get(name)
    if (list) list.push(key)
    else by.set(name, [key])
  }
  const general = by.get('general') ?? []
  for (const [name, list] of by) {
    if (name === 'loss' || name === 'general' || list.length > 1) continue
    general.push(...list)
    by.delete(name)
  }
  if (general.length > 0) by.set('general', general)
  const rank = (name: string) => {
    const at = first.indexOf(name)
    return at < 0 ? first.length : at
  }
  return [...by.entries()]
    .map(([name, list]) => ({ name, keys: byImportance(list) }))
    .sort((a, b) => rank(a.name) - rank(b.name) || a.name.localeCompare(b.name))
}
