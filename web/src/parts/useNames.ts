import { useMemo } from 'react'
import { NamedDocument, type NamedQuery, type RunLinkFragment } from '../gen/graphql'
import { useAsk } from '../link/useAsk'

export interface Names {
  runs: Map<string, RunLinkFragment>
  experiments: Map<string, string>
  rules: Map<string, string>
}

// Things of which only the id is known come without fields.
type Known = Exclude<NonNullable<NamedQuery['nodes'][number]>, Record<PropertyKey, never>>

const most = 500 // ids that the node takes at once

// The names of what is known by its id. Rules go by their own id, without "rule:".
export function useNames(ids: readonly string[]): Names {
  const wanted = [...new Set(ids.filter(Boolean))].sort().slice(0, most)
  const { data } = useAsk(NamedDocument, { ids: wanted }, { pause: wanted.length === 0 })
  return useMemo(() => {
    const names: Names = { runs: new Map(), experiments: new Map(), rules: new Map() }
    for (const node of data?.nodes ?? []) {
      const known = node as Known | null
      if (!known) continue
      if ('status' in known) names.runs.set(known.id, known)
      else if ('experiment' in known) names.experiments.set(known.id, known.experiment)
      else if ('rule' in known) names.rules.set(known.id.replace(/^rule:/, ''), known.rule)
    }
    return names
  }, [data])
}
