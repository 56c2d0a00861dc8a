import { useEffect, useRef } from 'react'
import { SystemDocument } from '../gen/graphql'
import { useConnection } from './connection'
import { useAsk } from './useAsk'

// How the page stands with its node: live, or what is amiss.
export function Line() {
  const { state } = useConnection()
  const { data, error, again } = useAsk(SystemDocument, {})
  // While pushes do not tell that the node is there, it is asked now and then.
  const latest = useRef(again)
  latest.current = again
  const well = state === 'live' && !error
  useEffect(() => {
    const timer = setInterval(() => latest.current(), well ? 30_000 : 5_000)
    return () => clearInterval(timer)
  }, [well])
  const system = data?.system
  const behind = system ? system.lastSeq - system.appliedSeq : 0
  const lost = state === 'lost'
  const words = lost ? 'reconnecting…' : error ? 'no answer' : behind > 1000 ? 'catching up' : state === 'live' ? 'live' : state === 'connecting' ? 'connecting…' : system ? 'connected' : 'connecting…'
  return (
    <>
      <div
        className={`line line-${lost || error ? 'lost' : state === 'live' || system ? 'live' : 'idle'}`}
        role="status"
        title={system ? `Millrace ${system.version}; this node has read the log up to ${system.appliedSeq} of ${system.lastSeq}; roles: ${system.roles.join(', ')}` : undefined}
      >
        <i aria-hidden="true" />
        {words}
        {system?.version && <span className="version">{system.version}</span>}
      </div>
      {lost && (
        <div className="banner" role="alert">
          The node does not answer. What you see is what it last said; the page reconnects by itself and catches up.
        </div>
      )}
    </>
  )
}
