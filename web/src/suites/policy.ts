import type { PolicyPartsFragment } from '../gen/graphql'

const ordinal = (n: number) => {
  const last = n % 100 >= 11 && n % 100 <= 13 ? 0 : n % 10
  return `${n}${['th', 'st', 'nd', 'rd'][last] ?? 'th'}`
}

// Which checkpoints are judged, as a sentence; null stands for no policy.
export function policyWords(p: PolicyPartsFragment | null): string {
  if (!p) return 'every checkpoint'
  const which = p.every > 1 ? `every ${ordinal(p.every)} checkpoint and the last` : 'every checkpoint'
  const waits = p.pending === 'newest' ? '; one that nobody has begun gives way to a newer one' : ''
  const stages = p.stages.map((s) => `; from step ${s.fromStep.toLocaleString('en-US')} on ${s.suites.length > 0 ? s.suites.join(', ') : 'nothing'}`).join('')
  return which + waits + stages
}

// Whether a list of suites, each a name or name@version, asks for this one; a name alone means the newest version.
export const asksFor = (suites: readonly string[], name: string, version: number, newest: number): boolean => suites.some((s) => s === `${name}@${version}` || (s === name && version === newest))

// The suites that an experiment asks for, those of its policy's stages included.
export const suitesOf = (e: { suites: readonly string[]; evaluation?: PolicyPartsFragment | null }): string[] => [...e.suites, ...(e.evaluation?.stages.flatMap((s) => s.suites) ?? [])]
