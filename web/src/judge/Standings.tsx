import { decode, formatInteger, formatValue } from '../format/number'
import type { StandingPartsFragment } from '../gen/graphql'

// Where entries stand: ratings with their intervals, or mean scores with their errors.
export function Standings({ standings, mode }: { standings: readonly StandingPartsFragment[]; mode: 'PAIR' | 'SCALE' }) {
  const ends = standings.flatMap((s) => [decode(s.low), decode(s.high)]).filter((x) => x !== null && Number.isFinite(x)) as number[]
  const [least, most] = [Math.min(...ends), Math.max(...ends)]
  const at = (x: number) => `${(100 * (x - least)) / Math.max(1, most - least)}%`
  return (
    <div className="table-wrap">
      <table>
        <thead>
          <tr>
            <th scope="col">Entry</th>
            {mode === 'PAIR' ? (
              <>
                <th scope="col" className="right">Rating</th>
                <th scope="col">95 % interval</th>
                <th scope="col" className="right">Won</th>
                <th scope="col" className="right">Lost</th>
                <th scope="col" className="right">Tied</th>
              </>
            ) : (
              <>
                <th scope="col" className="right">Mean ± standard error</th>
                <th scope="col" className="right">Votes</th>
              </>
            )}
          </tr>
        </thead>
        <tbody>
          {standings.map((s) => {
            const [rating, low, high] = [decode(s.rating), decode(s.low), decode(s.high)]
            const [mean, stderr] = [decode(s.mean), decode(s.stderr)]
            return (
              <tr key={s.entry}>
                <th scope="row">{s.label}</th>
                {mode === 'PAIR' ? (
                  <>
                    <td className="right num">{rating === null ? '–' : Math.round(rating)}</td>
                    <td>
                      {rating !== null && low !== null && high !== null && (
                        <span className="interval">
                          <span className="interval-line" aria-hidden="true">
                            <i style={{ left: at(low), right: `calc(100% - ${at(high)})` }} />
                            <b style={{ left: at(rating) }} />
                          </span>
                          <span className="num dim">
                            {Math.round(low)} to {Math.round(high)}
                          </span>
                        </span>
                      )}
                    </td>
                    <td className="right num">{formatInteger(s.won)}</td>
                    <td className="right num">{formatInteger(s.lost)}</td>
                    <td className="right num">{formatInteger(s.tied)}</td>
                  </>
                ) : (
                  <>
                    <td className="right num">
                      {formatValue(mean, 3)} {stderr !== null && <span className="dim">±{formatValue(stderr, 2)}</span>}
                    </td>
                    <td className="right num">{formatInteger(s.votes)}</td>
                  </>
                )}
              </tr>
            )
          })}
        </tbody>
      </table>
    </div>
  )
}
