// A configuration as a tree, and what of it a search shows.
export interface Branch {
  name: string
  path: string
  // A leaf's value; undefined for a branch with children.
  value?: unknown
  children?: Branch[]
}

const isRecord = (v: unknown): v is Record<string, unknown> => typeof v === 'object' && v !== null && !Array.isArray(v)

// Objects become branches; everything else, lists of plain values included, is a leaf. Lists of objects branch by index.
export function tree(value: unknown, name = '', path = ''): Branch {
  const join = (key: string) => (path ? `${path}.${key}` : key)
  if (isRecord(value)) {
    return { name, path, children: Object.keys(value).sort(leavesFirst(value)).map((key) => tree(value[key], key, join(key))) }
  }
  if (Array.isArray(value) && value.some(isRecord)) {
    return { name, path, children: value.map((v, i) => tree(v, String(i), join(String(i)))) }
  }
  return { name, path, value }
}

const leavesFirst = (of: Record<string, unknown>) => (a: string, b: string) =>
  Number(isRecord(of[a])) - Number(isRecord(of[b])) || a.localeCompare(b)

// The parts of a tree whose path or value contains all words; null when nothing does.
export function search(branch: Branch, words: string[]): Branch | null {
  if (words.length === 0) return branch
  if (!branch.children) {
    const text = `${branch.path} ${formatLeaf(branch.value)}`.toLowerCase()
    return words.every((w) => text.includes(w)) ? branch : null
  }
  const kept = branch.children.flatMap((c) => search(c, words) ?? [])
  return kept.length > 0 ? { ...branch, children: kept } : null
}

export function formatLeaf(value: unknown): string {
  if (value === undefined) return '–'
  if (typeof value === 'string') return value === '' ? '""' : value
  return JSON.stringify(value)
}
