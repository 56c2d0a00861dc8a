import { useState } from 'react'
import { useMutation } from 'urql'
import { decode, formatBytes, formatFlops } from '../format/number'
import { SetPriceDocument, type PriceLineFragment } from '../gen/graphql'
import { Card } from '../parts/Card'
import { explain } from '../parts/State'
import { formatAmount, formatMoney } from './ranges'

// The lines in force, each of which can be replaced by a new one from today on. The log keeps the old.
export function Book({ book, again }: { book: PriceLineFragment[]; again: () => void }) {
  const [editing, edit] = useState<string | null>(null)
  return (
    <Card title="Price book" aside={<span className="dim">US dollars; costs of all runs follow at once</span>} flush>
      <div className="table-wrap">
        <table>
          <thead>
            <tr>
              <th scope="col">Device</th>
              <th scope="col" className="right">An hour</th>
              <th scope="col" className="right">Others ask</th>
              <th scope="col" className="right">Peak</th>
              <th scope="col" className="right">Memory</th>
              <th scope="col" className="right">Watts</th>
              <th scope="col" className="right">To buy</th>
              <th scope="col">From</th>
              <th scope="col">Source</th>
              <th scope="col">
                <span className="hidden">change</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {book.map((p) => (
              <tr key={p.device}>
                <td className="nowrap">
                  <code>{p.device}</code>
                </td>
                <td className="right num">${p.perHour}</td>
                <td className="right num dim nowrap">{p.perHourHigh > 0 ? `$${p.perHourLow} – ${p.perHourHigh}` : ''}</td>
                <td className="right num nowrap">{p.peakFlops > 0 ? `${formatFlops(p.peakFlops)}/s` : ''}</td>
                <td className="right num nowrap">{p.memory > 0 ? formatBytes(p.memory) : ''}</td>
                <td className="right num">{p.watts > 0 ? formatAmount(p.watts) : ''}</td>
                <td className="right num nowrap">{p.purchase ? formatMoney(decode(p.purchase.typical)) : ''}</td>
                <td className="num nowrap">{p.from}</td>
                <td className="dim source" title={p.source}>
                  {p.source}
                </td>
                <td className="right">
                  {editing === p.device ? (
                    <Edit line={p} done={(changed) => (edit(null), changed && again())} />
                  ) : (
                    <button type="button" className="small" onClick={() => edit(p.device)} aria-label={`Change the price of ${p.device}`}>
                      Change
                    </button>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Card>
  )
}

function Edit({ line, done }: { line: PriceLineFragment; done: (changed: boolean) => void }) {
  const [hour, setHour] = useState(String(line.perHour))
  const [source, setSource] = useState('')
  const [saving, save] = useMutation(SetPriceDocument)
  const [refusal, setRefusal] = useState('')
  const submit = async () => {
    const perHour = Number(hour)
    if (hour.trim() === '' || !(perHour >= 0)) return setRefusal(`“${hour}” is no price`)
    const { data, error } = await save({ input: { device: line.device, perHour, perKwh: line.perKwh, pue: line.pue, perGbMonth: line.perGbMonth, source: source || 'set on the page' } })
    const refused = error ? explain(error) : data?.setPrice.userErrors[0]?.message
    if (refused) return setRefusal(refused)
    done(true)
  }
  return (
    <form
      className="edit"
      onSubmit={(e) => {
        e.preventDefault()
        void submit()
      }}
    >
      <label>
        <span className="hidden">Dollars an hour</span>
        <input type="text" inputMode="decimal" className="narrow" value={hour} autoFocus onChange={(e) => setHour(e.target.value)} />
      </label>
      <label>
        <span className="hidden">Source</span>
        <input type="text" placeholder="where it is from" value={source} onChange={(e) => setSource(e.target.value)} />
      </label>
      <button type="submit" className="small primary" disabled={saving.fetching}>
        Save
      </button>
      <button type="button" className="small" onClick={() => done(false)}>
        Cancel
      </button>
      {refusal && (
        <span className="refusal" role="alert">
          {refusal}
        </span>
      )}
    </form>
  )
}
