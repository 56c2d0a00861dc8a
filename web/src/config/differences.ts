// Differing configuration paths, grouped by the branch they stand on: what Compare shows.
export interface Difference {
  path: string
  values: unknown[]
}

export interface DifferenceGroup {
  branch: string
  rows: { name: string; path: string; values: unknown[] }[]
}

// Groups keep the order of their first path; paths without a branch come first.
export function differenceGroups(differences: Difference[]): DifferenceGroup[] {
  const by = new Map<string, DifferenceGroup>([['', { branch: '', rows: [] }]])
  for (const { path, values } of differences) {
    const dot = path.lastIndexOf('.')
    const branch = dot < 0 ? '' : path.slice(0, dot)
    const group = by.get(branch) ?? { branch, rows: [] }
    group.rows.push({ name: path.slice(dot + 1), path, values })
    by.set(branch, group)
  }
  return [...by.values()].filter((g) => g.rows.length > 0)
}

// For each value the number of its kind in the row: equal values have equal numbers, the first is 0. It lets a reader see
// at a glance which runs agree.
export function kinds(values: unknown[]): number[] {
  const seen = new Map<string, number>()
  return values.map((value) => {
    const written = JSON.stringify(value) ?? 'absent'
    const known = seen.get(written)
    if (known !== undefined) return known
    seen.set(written, seen.size)
    return seen.size - 1
  })
}
