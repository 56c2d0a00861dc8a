import type { Settings } from './stream'

const fields: [keyof Settings, string, string, string][] = [
  ['temperature', 'Temperature', '1', '0 takes the likeliest token every time'],
  ['top_p', 'Top-p', '1', 'Draw among the fewest tokens that have this much probability together'],
  ['top_k', 'Top-k', 'all', 'Draw among so many of the likeliest'],
  ['min_p', 'Min-p', '0', 'Leave out what is less likely than this times the likeliest'],
  ['repetition_penalty', 'Repetition', '1', 'Above 1: makes tokens that were seen less likely'],
  ['max_tokens', 'Tokens', 'context', 'Most tokens of an answer'],
  ['seed', 'Seed', 'another', 'The same seed says the same'],
]

// The sampling options.
export function Tuning({ settings, set }: { settings: Settings; set: (s: Settings) => void }) {
  return fields.map(([name, label, hint, title]) => (
    <label key={name} title={title}>
      {label}
      <input type="text" inputMode="decimal" className="narrow" value={settings[name]} placeholder={hint} onChange={(e) => set({ ...settings, [name]: e.target.value })} />
    </label>
  ))
}
