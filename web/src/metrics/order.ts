const preferred = ['train/loss', 'val/loss', 'loss']

// Metrics as a reader asks for them: the losses, then what was evaluated, then how training went, then the rest.
export function byImportance(keys: string[]): string[] {
  const rank = (key: string) => {
    const at = preferred.indexOf(key)
    if (at >= 0) return at
    if (key.startsWith('eval/')) return 10
    if (key === 'grad_norm' || key === 'tokens_per_second' || key === 'lr') return 20
    if (key === 'epoch' || key === 'tokens' || key === 'step_seconds') return 40 // they hardly ever surprise
    return 30
  }
  return [...keys].sort((a, b) => rank(a) - rank(b) || a.localeCompare(b))
}
