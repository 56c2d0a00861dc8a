// A lineage as its page shows it: what a thing came from and what came of it, by how far away.
export interface Edge {
  from: string
  to: string
  role: string
}

export interface Generation<N> {
  distance: number
  nodes: { node: N; roles: string[] }[]
}

// The things other than the one asked about, nearest first; each with the roles that join it to what is nearer.
export function generations<N extends { id: string; distance: number }>(nodes: readonly N[], edges: readonly Edge[]): { up: Generation<N>[]; down: Generation<N>[] } {
  const far = new Map(nodes.map((n) => [n.id, n.distance]))
  const by = new Map<number, Generation<N>>()
  for (const node of nodes) {
    if (node.distance === 0) continue
    const nearer = node.distance - Math.sign(node.distance)
    const roles = edges.flatMap((e) => {
      const other = node.distance < 0 ? (e.from === node.id ? e.to : null) : e.to === node.id ? e.from : null
      return other !== null && far.get(other) === nearer ? [e.role] : []
    })
    const generation = by.get(node.distance) ?? { distance: node.distance, nodes: [] }
    generation.nodes.push({ node, roles: [...new Set(roles)] })
    by.set(node.distance, generation)
  }
  const all = [...by.values()].sort((a, b) => Math.abs(a.distance) - Math.abs(b.distance))
  return { up: all.filter((g) => g.distance < 0), down: all.filter((g) => g.distance > 0) }
}
