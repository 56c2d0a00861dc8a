import { CombinedError } from 'urql'

// Where a text of the node's language stops making sense.
export interface Fault {
  // The argument that held the text: where, sort, by, numbers.
  argument: string
  // What is wrong, and what was most likely meant.
  words: string
  // The line at fault, or the part of it around the fault, and the place in it in characters from 0.
  line: string
  at: number
}

// The fault that an answer speaks of; null when it was refused for another reason.
export function faultOf(error: Error | undefined): Fault | null {
  if (!(error instanceof CombinedError)) return null
  for (const { message, extensions } of error.graphQLErrors) {
    if (typeof extensions?.argument !== 'string' || typeof extensions.column !== 'number') continue
    // The message has three lines: what is wrong, the line, and a caret below the character.
    const [said = '', line = '', caret = ''] = message.split('\n')
    return { argument: extensions.argument, words: said.replace(/^\w+: (line \d+, column \d+: )?/, ''), line: line.slice(2), at: Math.max(0, caret.indexOf('^') - 2) }
  }
  return null
}

// The line in three parts: before the fault, the word at fault (a space when it is at the end), and what follows.
export function around({ line, at }: Pick<Fault, 'line' | 'at'>): [string, string, string] {
  const all = [...line]
  const word = /^(\w+|\s+|[^\w\s]+)/u.exec(all.slice(at).join(''))?.[0] ?? ''
  const end = at + [...word].length
  return [all.slice(0, at).join(''), word.trim() === '' ? ' ' : word, all.slice(end).join('')]
}
