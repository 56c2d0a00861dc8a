import { RunLink } from '../parts/RunLink'
import { Verdict } from '../run/Verdict'
import type { Comparison } from './ComparePage'

// Of every two of these runs of which one does the other again: whether it came out the same.
export function Reproduced({ comparison }: { comparison: Comparison }) {
  return comparison.reproductions.map(({ run, verdict }) => (
    <div key={run.id} className="reproduced">
      <RunLink run={run} /> <Verdict of={verdict} />
    </div>
  ))
}
