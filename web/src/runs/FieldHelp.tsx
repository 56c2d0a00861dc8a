// Conditions to begin with, and what can be written in them.
const examples: [where: string, words: string][] = [
  ['status in (failed, crashed)', 'what went wrong'],
  ['status = running and duration > 1h', 'long since'],
  ['config.optimizer.lr <= 3e-4', 'by a value of the configuration'],
  ['metric["val/loss"].min < 2.1', 'by a metric'],
  ['cost > 1 and created > 7d ago', 'dear, of this week'],
  ['not starred or "baseline" in labels', 'either of two'],
]

const fields: [fields: string, values: string][] = [
  ['name, note, experiment, kind, status, by, worker, id, parent', 'text'],
  ['labels, tags.team, tags["my key"]', 'text'],
  ['input, input.dataset', 'a name or digest'],
  ['config.optimizer.lr', 'number, text, true, false'],
  ['metric.loss, metric["val/loss"].min', 'number: last, first, min, max, or “at 1000”'],
  ['steps, tokens, flops', 'number: 10k, 3.5M, 1e-3'],
  ['duration, device_seconds', '90s, 2h30m, 1.5d'],
  ['cost, joules', '1.5 dollars; 3.6MJ, 2kWh'],
  ['created, started, ended, updated', '2026-11-01, 3d ago, today'],
  ['archived, starred', 'true when alone'],
]

const operators = ['and', 'or', 'not', '( )', '= != < <= > >=', '~ !~ contains', 'in ( , )', 'exists']

export function FieldHelp({ id, take }: { id: string; take: (where: string) => void }) {
  return (
    <div className="field-help" id={id} role="region" aria-label="How to write conditions">
      <ul className="field-examples">
        {examples.map(([where, words]) => (
          <li key={where}>
            <button type="button" className="link" onClick={() => take(where)}>
              {where}
            </button>
            <span className="dim">{words}</span>
          </li>
        ))}
      </ul>
      <p className="operators">
        {operators.map((o) => (
          <code key={o}>{o}</code>
        ))}
      </p>
      <dl className="facts">
        {fields.map(([names, values]) => (
          <div key={names}>
            <dt>
              <code>{names}</code>
            </dt>
            <dd>{values}</dd>
          </div>
        ))}
      </dl>
      <p className="dim">Words alone look in name, note, id, tags, labels and experiment. Text with spaces needs quotes.</p>
    </div>
  )
}
