// What a reader typed into the dialogs that ask for a step and for changed settings.

// A step: null for an empty text, undefined for one that is no step.
export function parseStep(text: string): number | null | undefined {
  const plain = text.trim().replaceAll(/[,_ ]/g, '')
  if (plain === '') return null
  const step = Number(plain)
  return /^\d+$/.test(plain) && Number.isSafeInteger(step) ? step : undefined
}

export type Changes = { config: Record<string, unknown> } | { error: string }

// Settings to change, one a line: `optimizer.lr = 5e-4`. A value is JSON, or text without quotes.
export function parseChanges(text: string): Changes {
  const config: Record<string, unknown> = {}
  for (const [i, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue
    const [, path, value] = /^\s*([^=:\s]+)\s*[=:]\s*(.*?)\s*$/.exec(line) ?? []
    if (!path || value === undefined || value === '') return { error: `line ${i + 1}: “${line.trim()}” is not of the form optimizer.lr = 0.0005` }
    if (path in config) return { error: `line ${i + 1}: ${path} is set twice` }
    config[path] = valueOf(value)
  }
  return { config }
}

function valueOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return text
  }
}
