import { around, type Fault } from './fault'

// What is wrong with a text of the node's language, with the character at fault pointed at.
export function FaultNote({ fault, id }: { fault: Fault; id?: string }) {
  const [before, at, after] = around(fault)
  return (
    <div className="fault" role="alert" id={id}>
      <p>{fault.words}</p>
      <pre aria-hidden="true">
        {before}
        <mark>{at}</mark>
        {after}
      </pre>
    </div>
  )
}
