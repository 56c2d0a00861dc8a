import { useState } from 'react'
import { Link } from 'wouter'
import { Chart } from '../chart/Chart'
import { usePalette } from '../chart/palette'
import { decode, formatCount, formatValue } from '../format/number'
import { OwnLawDocument, PlanDocument } from '../gen/graphql'
import { useAsk } from '../link/useAsk'
import { Card } from '../parts/Card'
import { Loading, Trouble } from '../parts/State'
import { parseCount } from './parse'
import { formatAmount } from './ranges'
import { usePausedText } from '../parts/useText'

// What size for a budget, by published laws, beside what this platform's own runs reached.
export function Planner({ device }: { device: string }) {
  const [budget, setBudget] = useState('10k')
  const [text, write] = usePausedText(budget, setBudget)
  const dollars = parseCount(budget)
  return (
    <Card title="What size for a budget?">
      <form className="ask" onSubmit={(e) => e.preventDefault()}>
        <label>
          US dollars
          <input type="text" value={text} onChange={(e) => write(e.target.value)} placeholder="10k" />
        </label>
        <span className="dim">of {device} rented by the book</span>
      </form>
      {dollars === undefined ? <p className="warn">“{budget}” is no amount such as 10k</p> : <Plans dollars={dollars} device={device} />}
    </Card>
  )
}

function Plans({ dollars, device }: { dollars: number; device: string }) {
  const { data, error, again } = useAsk(PlanDocument, { input: { dollars, device } })
  const own = useAsk(OwnLawDocument, {})
  const color = usePalette()
  if (error && !data) return <Trouble error={error} again={again} />
  if (!data) return <Loading what="plan" rows={4} />
  const { plans, curve, budget } = data.costPlan
  const points = (own.data?.lossFit.points ?? []).map((p) => ({ x: Math.log10(6 * decode(p.params) * decode(p.tokens)), y: decode(p.loss) })).sort((a, b) => a.x - b.x)
  const law = own.data?.lossFit.law
  return (
    <div className="two">
      <div>
        {budget && (
          <p>
            That buys {formatValue(decode(budget.typical), 3)} FLOP <span className="dim">({formatValue(decode(budget.low), 3)} to {formatValue(decode(budget.high), 3)})</span>; tokens grow with size here.
          </p>
        )}
        <table className="plain plans">
            <thead>
              <tr>
                <th scope="col">Law</th>
                <th scope="col" className="right">Parameters</th>
                <th scope="col" className="right">Tokens</th>
                <th scope="col" className="right">Each</th>
                <th scope="col" className="right">Loss</th>
              </tr>
            </thead>
            <tbody>
              {plans.map((p) => (
                <tr key={p.law}>
                  <td>{p.law}</td>
                  <td className="right num">{formatCount(decode(p.params))}</td>
                  <td className="right num">{formatCount(decode(p.tokens))}</td>
                  <td className="right num">{formatAmount(decode(p.tokens) / decode(p.params))}</td>
                  <td className="right num">{formatValue(decode(p.loss))}</td>
                </tr>
              ))}
            </tbody>
        </table>
        <p className="dim">Losses are in nats a token, each of its own law’s text: compare sizes, not losses, across laws.</p>
        {own.data?.lossFit.refused && (
          <p className="dim">
            No law of <Link href="/">this platform’s runs</Link> yet: {own.data.lossFit.refused}.
          </p>
        )}
        {law && (
          <p>
            Own runs: L = {formatValue(decode(law.e))} + {formatValue(decode(law.a))}/N<sup>{formatValue(decode(law.alpha))}</sup> + {formatValue(decode(law.b))}/D<sup>{formatValue(decode(law.beta))}</sup>
          </p>
        )}
      </div>
      <figure className="chart-card">
        <figcaption>
          <span>Loss over compute</span>
          <span className="dim">{points.length > 0 ? `${points.length} own runs` : 'no own runs yet'}</span>
        </figcaption>
        <Chart
          name="Predicted loss over compute"
          lines={[
            { id: 'law', label: 'best plans by Besiroglu et al. 2024', color: color(0), x: curve.map((p) => Math.log10(decode(p.flops))), y: curve.map((p) => decode(p.loss)) },
            ...(points.length > 0 ? [{ id: 'own', label: 'own runs', color: color(1), dots: true, x: points.map((p) => p.x), y: points.map((p) => p.y) }] : []),
          ]}
          xLabel="FLOP"
          formatX={power}
          height={240}
        />
        <p className="dim chart-x">floating-point operations of the training</p>
      </figure>
    </div>
  )
}

const superscript = (n: number) => String(n).replace(/./g, (c) => (c === '-' ? '⁻' : '⁰¹²³⁴⁵⁶⁷⁸⁹'[Number(c)] ?? c))

// 10²¹, from its logarithm; between whole powers nothing.
const power = (x: number): string => (Math.abs(x - Math.round(x)) < 1e-9 ? `10${superscript(Math.round(x))}` : Number((10 ** (x - Math.floor(x))).toPrecision(2)) + `·10${superscript(Math.floor(x))}`)
