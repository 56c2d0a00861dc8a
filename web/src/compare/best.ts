// The index of the best value, or null when there is no single best: fewer than two values, or a tie of all. NaN is never
// best; infinities are compared as numbers.
export function bestOf(values: (number | null)[], higherIsBetter: boolean): number | null {
  const given = values.filter((v): v is number => v !== null && !Number.isNaN(v))
  if (given.length < 2 || given.every((v) => v === given[0])) return null
  const best = higherIsBetter ? Math.max(...given) : Math.min(...given)
  return values.indexOf(best)
}

// Whether a metric's name tells which direction is better; null when it does not.
export function direction(key: string): boolean | null {
  if (/(^|\/|_)(loss|perplexity|bits_per_byte|bpb|error|nll)$/.test(key)) return false
  if (/(^|\/|_)(accuracy|acc|acc_norm|tokens_per_second|mfu|f1|bleu)$/.test(key)) return true
  return null
}

// Difference to the first run, as people write it: −0.0123 (−0.5 %).
export function change(value: number | null, first: number | null): { by: number; share: number | null } | null {
  if (value === null || first === null || !Number.isFinite(value) || !Number.isFinite(first)) return null
  const by = value - first
  return { by, share: first === 0 ? null : by / Math.abs(first) }
}
