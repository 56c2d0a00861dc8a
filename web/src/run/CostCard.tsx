import { Ranges } from '../cost/ranges'
import { decode, formatCount, formatDollars, formatFlops, formatJoules, formatPercent } from '../format/number'
import { formatSeconds, formatTime } from '../format/time'
import type { CostPartsFragment, ForecastPartsFragment, LeftPartsFragment } from '../gen/graphql'
import { Card } from '../parts/Card'
import { Facts } from '../parts/Facts'

// What was spent, priced from the book as it is now.
export function CostCard({ cost, forecast, left }: { cost: CostPartsFragment; forecast: ForecastPartsFragment | null; left: LeftPartsFragment | null }) {
  const joules = decode(cost.joules)
  const flops = decode(cost.flops)
  const dollars = decode(cost.dollars)
  return (
    <Card title="Cost" aside={<b className="num">{formatDollars(dollars)}</b>}>
      <Facts
        facts={[
          ['devices', formatDollars(decode(cost.deviceDollars))],
          ['energy', formatDollars(decode(cost.energyDollars))],
          ['storage', formatDollars(decode(cost.storageDollars))],
          ['device time', formatSeconds(decode(cost.deviceSeconds))],
          ['energy used', joules === null ? <span className="dim">no device tells</span> : formatJoules(joules)],
          ['work', flops > 0 ? formatFlops(flops) : ''],
          ['tokens', cost.tokens > 0 ? formatCount(cost.tokens) : ''],
          ['per million tokens', cost.tokens > 0 && dollars > 0 ? formatDollars((dollars / cost.tokens) * 1e6) : ''],
        ]}
      />
      {forecast && (
        <>
          <Ranges
            rows={[
              ['at its end', forecast.dollars, formatDollars],
              ['device time', forecast.deviceSeconds, formatSeconds],
              ['still to go', forecast.secondsLeft, formatSeconds],
            ]}
          />
          <p className="dim">
            Ends about {formatTime(forecast.endsAt)}: {forecast.basis}.
          </p>
        </>
      )}
      {left && (
        <p className={decode(left.spent) >= 1 ? 'warn' : 'dim'}>
          {formatPercent(100 * decode(left.spent))} of its budget is spent
          {left.dollars !== null && `, ${formatDollars(decode(left.dollars))} left`}
          {left.deviceSeconds !== null && `, ${formatSeconds(Math.max(0, decode(left.deviceSeconds)))} of device time left`}.
        </p>
      )}
      {cost.devices.length > 0 && (
        <table className="plain">
          <tbody>
            {cost.devices.map((d, i) => (
              <tr key={i}>
                <td className="dim">{d.kind}</td>
                <td>
                  {d.name}
                  {d.count > 1 && ` ×${d.count}`}
                </td>
                <td className="right num nowrap">{formatSeconds(decode(d.seconds))}</td>
                <td className="right num dim nowrap">{d.joules === null ? '' : formatJoules(decode(d.joules))}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {cost.unpriced.length > 0 && (
        <p className="warn">
          Not in the price book, so left out: {cost.unpriced.join(', ')}. Add a price with <code>millrace cost book set</code>.
        </p>
      )}
    </Card>
  )
}
