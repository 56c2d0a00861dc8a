import { formatCount, formatDollars, formatFlops, formatInteger, formatJoules, formatValue } from '../format/number'
import { formatSeconds } from '../format/time'

// Fields of the node's language that stand in a line with commas between. A comma within quotes belongs to its field.
export function fieldsIn(line: string): string[] {
  return (line.match(/(?:"(?:\\.|[^"\\])*"?|'(?:\\.|[^'\\])*'?|[^,"'])+/g) ?? []).map((field) => field.trim()).filter(Boolean)
}

// A condition that holds where both hold.
export const both = (a: string, b: string): string => (!a.trim() ? b : !b.trim() ? a : `(${a.trim()}) and (${b.trim()})`)

// A number of a field, in the unit of the field.
export function formatField(field: string, x: number | null): string {
  switch (field.toLowerCase()) {
    case 'cost':
    case 'dollars':
      return formatDollars(x)
    case 'duration':
    case 'device_seconds':
      return formatSeconds(x)
    case 'joules':
    case 'energy':
      return formatJoules(x)
    case 'tokens':
      return formatCount(x)
    case 'flops':
      return formatFlops(x)
    case 'steps':
      return x !== null && Number.isInteger(x) ? formatInteger(x) : formatValue(x)
    default:
      return formatValue(x)
  }
}
