// Who judges in this browser: a name, which the browser remembers.
const place = 'millrace.rater'

export function remembered(): string {
  try {
    return localStorage.getItem(place) ?? ''
  } catch {
    return '' // a browser that keeps nothing asks every time
  }
}

export function remember(name: string): void {
  try {
    localStorage.setItem(place, name)
  } catch {
    // then it is asked for again
  }
}

export type Choice = 'LEFT' | 'RIGHT' | 'TIE' | 'BOTH_BAD'
export type Answer = { choice: Choice } | { score: number }

const said = new Map<string, Choice>([
  ['1', 'LEFT'],
  ['ArrowLeft', 'LEFT'],
  ['2', 'RIGHT'],
  ['ArrowRight', 'RIGHT'],
  ['0', 'TIE'],
  ['ArrowDown', 'TIE'],
  ['9', 'BOTH_BAD'],
  ['ArrowUp', 'BOTH_BAD'],
])

// What a key says: of pairs 1 or ← left, 2 or → right, 0 or ↓ tie, 9 or ↑ both bad; of a scale 1 to 5. Undefined when nothing.
export function answerOf(key: string, pairs: boolean): Answer | undefined {
  if (!pairs) return /^[1-5]$/.test(key) ? { score: Number(key) } : undefined
  const choice = said.get(key)
  return choice && { choice }
}

// A κ in words, as Landis and Koch (1977) have them.
export function inWords(kappa: number | null): string {
  if (kappa === null) return 'cannot be told: every vote is the same'
  if (kappa < 0) return 'less than by chance'
  const [word] = ([['slight', 0.2], ['fair', 0.4], ['moderate', 0.6], ['substantial', 0.8], ['almost perfect', Infinity]] as const).find(([, below]) => kappa <= below) ?? ['']
  return word
}
