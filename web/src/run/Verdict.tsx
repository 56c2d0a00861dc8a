import { formatInteger } from '../format/number'
import type { VerdictPartsFragment } from '../gen/graphql'
import { RunLink } from '../parts/RunLink'

// Whether the run did the other's work again bit for bit.
export function Verdict({ of: r }: { of: VerdictPartsFragment }) {
  const other = r.of ? <RunLink run={r.of} /> : <code>{r.ofId}</code>
  const compared = `${formatInteger(r.points)} points and ${formatInteger(r.digests)} checkpoint ${r.digests === 1 ? 'digest' : 'digests'}`
  const known = ['identical', 'different', 'incomplete', 'running'].includes(r.verdict) ? r.verdict : 'incomplete'
  return (
    <section className={`verdict verdict-${known}`} aria-label="Verdict of the reproduction">
      <b className="verdict-word">
        {known === 'identical' ? '✓ identical' : known === 'different' ? '✕ different' : known === 'running' ? 'comparing…' : 'incomplete'}
      </b>
      <div>
        <p>
          {known === 'identical' && <>Every one of {compared} equals that of {other}, bit for bit.</>}
          {known === 'running' && <>{compared} equal those of {other} so far.</>}
          {known === 'incomplete' && <>Not all of {other} was done again: {compared} were compared.</>}
          {known === 'different' && <>Of {other} {compared} were compared.</>}
        </p>
        {r.firstDifference && (
          <p>
            First difference at step <b className="num">{formatInteger(r.firstDifference.step)}</b> in <code>{r.firstDifference.key}</code>: was{' '}
            <code>{r.firstDifference.was}</code>, is <code>{r.firstDifference.is}</code>
          </p>
        )}
        {r.environment.length > 0 && <p className="dim">The environment differs: {r.environment.join('; ')}</p>}
      </div>
    </section>
  )
}
