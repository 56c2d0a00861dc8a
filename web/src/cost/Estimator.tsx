import { useSearchParams } from 'wouter'
import { usePausedText } from '../parts/useText'
import { Chart } from '../chart/Chart'
import { usePalette } from '../chart/palette'
import { decode, formatBytes, formatCount, formatFlops, formatInteger, formatValue } from '../format/number'
import { EstimateDocument, type EstimateQuery, type PriceLineFragment } from '../gen/graphql'
import { useAsk } from '../link/useAsk'
import { Card } from '../parts/Card'
import { Facts } from '../parts/Facts'
import { Loading, Trouble } from '../parts/State'
import { deviceAsked, deviceName, parseCount } from './parse'
import { Ranges, formatAmount, formatMoney } from './ranges'

const given = { model: 'llama2-7b', params: '7B', tokens: '', device: 'H100', count: '8', mfu: '', people: '' }
type Given = typeof given

export function Estimator({ book, presets }: { book: PriceLineFragment[]; presets: string[] }) {
  const [params, setParams] = useSearchParams()
  const asked = Object.fromEntries(Object.entries(given).map(([k, v]) => [k, params.get(k) ?? v])) as Given
  const set = (change: Partial<Given>) =>
    setParams(
      (before) => {
        const next = new URLSearchParams(before)
        for (const [k, v] of Object.entries(change)) next.set(k, v ?? '')
        return next
      },
      { replace: true },
    )
  const input = inputOf(asked)
  return (
    <Card title="What would it take?">
      <form className="ask" onSubmit={(e) => e.preventDefault()}>
        <label>
          Model
          <select value={asked.model} onChange={(e) => set({ model: e.target.value })}>
            {presets.map((p) => (
              <option key={p}>{p}</option>
            ))}
            <option value="size">another size…</option>
          </select>
        </label>
        {asked.model === 'size' && <Text label="Parameters" value={asked.params} set={(v) => set({ params: v })} hint="7B, 350M" />}
        <Text label="Tokens" value={asked.tokens} set={(v) => set({ tokens: v })} hint="20 a parameter" />
        <label>
          Device
          <select value={asked.device} onChange={(e) => set({ device: e.target.value })}>
            {book.filter((p) => p.peakFlops > 0).map((p) => (
              <option key={p.device} value={deviceAsked(p.device)}>
                {deviceName(p.device)}
              </option>
            ))}
          </select>
        </label>
        <Text label="Devices" value={asked.count} set={(v) => set({ count: v })} hint="8" narrow />
        <Text label="MFU, %" value={asked.mfu} set={(v) => set({ mfu: v })} hint="30–50" narrow />
        <Text label="People, 6 months" value={asked.people} set={(v) => set({ people: v })} hint="none" narrow />
      </form>
      {typeof input === 'string' ? <p className="warn">{input}</p> : <Answer input={input} device={asked.device} />}
    </Card>
  )
}

function Text({ label, value, set, hint, narrow = false }: { label: string; value: string; set: (v: string) => void; hint: string; narrow?: boolean }) {
  const [text, write] = usePausedText(value, set)
  return (
    <label>
      {label}
      <input type="text" inputMode={narrow ? 'numeric' : 'text'} className={narrow ? 'narrow' : ''} value={text} placeholder={hint} onChange={(e) => write(e.target.value)} />
    </label>
  )
}

// What is asked of the node, or what is wrong with it.
function inputOf(a: Given) {
  const tokens = a.tokens === '' ? undefined : parseCount(a.tokens)
  if (a.tokens !== '' && tokens === undefined) return `“${a.tokens}” is no number of tokens such as 2T`
  const params = a.model === 'size' ? parseCount(a.params) : undefined
  if (a.model === 'size' && params === undefined) return `“${a.params}” is no number of parameters such as 7B`
  const count = a.count === '' ? 1 : parseCount(a.count)
  if (count === undefined || !Number.isInteger(count) || count > 1e7) return `“${a.count}” is no number of devices`
  const mfu = a.mfu === '' ? undefined : Number(a.mfu) / 100
  if (mfu !== undefined && !(mfu > 0 && mfu <= 1)) return `“${a.mfu}” is no percentage above 0, at most 100`
  const people = a.people === '' ? undefined : parseCount(a.people)
  if (a.people !== '' && people === undefined) return `“${a.people}” is no number of people`
  return { ...(a.model === 'size' ? { params } : { preset: a.model }), tokens, device: a.device, count, mfu, people, months: people === undefined ? undefined : 6 }
}

function Answer({ input, device }: { input: Exclude<ReturnType<typeof inputOf>, string>; device: string }) {
  const { data, error, again, stale } = useAsk(EstimateDocument, { input })
  if (error && !data) return <Trouble error={error} again={again} />
  if (!data) return <Loading what="estimate" rows={6} />
  const e = data.costEstimate
  const attention = (100 * decode(e.flopsPerToken.attention)) / decode(e.flopsPerToken.forward)
  return (
    <div className={stale ? 'estimate stale' : 'estimate'}>
      {error && <Trouble error={error} again={again} />}
      <p className="regime">{e.says}</p>
      <div className="two">
        <div>
          <Facts
            facts={[
              ['parameters', e.parts ? formatInteger(e.parts.total) : formatCount(decode(e.params))],
              ['by part', e.parts && <span className="dim">{parts(e.parts)}</span>],
              ['tokens', `${formatCount(decode(e.tokens))} (${formatAmount(decode(e.tokensPerParameter))} a parameter)`],
              ['work', `${formatFlops(decode(e.flops))}, ${formatAmount(attention)} % of it attention’s scores`],
              ['loss', `${formatValue(decode(e.loss))} on text like Chinchilla’s`],
              ['memory a device', e.training && `${formatBytes(decode(e.training.total))} with ZeRO 3, batch 1`],
              ['serving', e.serving && `${formatBytes(decode(e.serving.total))}, keys and values ${formatBytes(decode(e.serving.cache))}`],
            ]}
          />
          <Ranges
            rows={[
              [`${device}-hours`, e.deviceHours, formatAmount],
              [`days on ${formatInteger(e.count)}`, e.days, formatAmount],
              ['rent', e.rent, formatMoney],
              ['MWh of the devices', e.energy?.devices, formatAmount],
              ['MWh with servers and building', e.energy?.building, formatAmount],
              ['energy', e.energy?.dollars, formatMoney],
              [`buying ${formatInteger(e.count)}`, e.purchase?.devices, formatMoney],
              ['… with servers and network', e.purchase?.total, formatMoney],
              ['this run on one’s own', e.own, formatMoney],
              ['buying pays after runs', e.even?.runs, formatAmount],
              ['… days of full use', e.even?.days, formatAmount],
              ['team', e.team, formatMoney],
            ]}
          />
        </div>
        <RentOrBuy estimate={e} />
      </div>
      <details>
        <summary className="dim">What was assumed</summary>
        <ul className="assumed">
          {e.assumed.map((a) => (
            <li key={a}>{a}</li>
          ))}
        </ul>
      </details>
    </div>
  )
}

function parts(p: NonNullable<EstimateQuery['costEstimate']['parts']>): string {
  const named: [string, number][] = [['embedding', p.embedding], ['positions', p.position], ['attention', p.attention], ['feed-forward', p.mlp], ['norms', p.norm], ['head', p.head]]
  return named.filter(([, n]) => n > 0).map(([name, n]) => `${name} ${formatCount(n)}`).join(', ')
}

// Dollars over runs: rent grows with each, a purchase is paid at once and then costs energy.
function RentOrBuy({ estimate: e }: { estimate: EstimateQuery['costEstimate'] }) {
  const color = usePalette()
  if (!e.purchase || !e.energy) return <p className="dim">The price book has no purchase price for this device, so there is nothing to compare rent with.</p>
  const even = e.even ? decode(e.even.runs.typical) : 10
  const x = Array.from({ length: 201 }, (_, i) => (i / 200) * 2 * even)
  const of = (upFront: { low: number; typical: number; high: number }, each: { low: number; typical: number; high: number }) => ({
    x,
    y: x.map((n) => upFront.typical + n * each.typical),
    min: x.map((n) => upFront.low + n * each.low),
    max: x.map((n) => upFront.high + n * each.high),
  })
  const all = (r: EstimateQuery['costEstimate']['rent']) => ({ low: decode(r.low), typical: decode(r.typical), high: decode(r.high) })
  return (
    <figure className="chart-card">
      <figcaption>
        <span>Rent or buy</span>
        <span className="dim">{e.even ? `even after ${formatAmount(even)} runs` : 'buying never pays'}</span>
      </figcaption>
      <Chart
        name="Dollars over runs, rented and on bought devices"
        lines={[
          { id: 'rent', label: 'rent', color: color(1), ...of({ low: 0, typical: 0, high: 0 }, all(e.rent)) },
          { id: 'buy', label: 'buy', color: color(0), ...of(all(e.purchase.total), all(e.energy.dollars)) },
        ]}
        xLabel="runs"
        formatX={(n) => formatAmount(n)}
        formatY={formatMoney}
        height={260}
        fromZero
      />
      <p className="dim chart-x">runs, one after the other; bands from low to high</p>
    </figure>
  )
}
