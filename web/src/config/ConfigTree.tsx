import { useMemo, useState } from 'react'
import { Empty } from '../parts/State'
import { formatLeaf, search, tree, type Branch } from './tree'

export function ConfigTree({ value, name }: { value: unknown; name: string }) {
  const [text, setText] = useState('')
  const whole = useMemo(() => tree(value), [value])
  const words = text.toLowerCase().split(/\s+/).filter(Boolean)
  const found = search(whole, words)
  return (
    <div className="config">
      <input type="search" placeholder={`Search ${name}`} aria-label={`Search ${name}`} value={text} onChange={(e) => setText(e.target.value)} />
      {found?.children && found.children.length > 0 ? (
        <ul className="tree">
          {found.children.map((b) => (
            <Twig key={b.path} branch={b} forced={words.length > 0} />
          ))}
        </ul>
      ) : (
        <Empty title={words.length > 0 ? 'Nothing fits' : 'Nothing here'} />
      )}
    </div>
  )
}

function Twig({ branch, forced }: { branch: Branch; forced: boolean }) {
  const [open, setOpen] = useState(true)
  if (!branch.children)
    return (
      <li className="leaf">
        <span className="leaf-name" title={branch.path}>
          {branch.name}
        </span>
        <code className={`leaf-value leaf-${branch.value === null ? 'null' : typeof branch.value}`}>{formatLeaf(branch.value)}</code>
      </li>
    )
  const shown = open || forced
  return (
    <li>
      <button type="button" className="twig" aria-expanded={shown} onClick={() => setOpen(!open)}>
        <span aria-hidden="true">{shown ? '▾' : '▸'}</span> {branch.name}
      </button>
      {shown && (
        <ul>
          {branch.children.map((b) => (
            <Twig key={b.path} branch={b} forced={forced} />
          ))}
        </ul>
      )}
    </li>
  )
}
