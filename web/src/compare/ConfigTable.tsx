import { Fragment } from 'react'
import { differenceGroups, kinds } from '../config/differences'
import { formatLeaf } from '../config/tree'
import { Card } from '../parts/Card'
import { RunHeads } from './CompareHead'
import type { Colored } from './ComparePage'

// Only what differs: a reader who sees two values sees why two runs are not one.
export function ConfigTable(props: Colored) {
  const { comparison } = props
  const groups = differenceGroups(comparison.config)
  const others: [string, { field: string; values: (string | null)[] }[]][] = [
    ['inputs', comparison.inputs],
    // The digest of the spec differs whenever the spec does, and stands in the head of the page.
    ['environment', comparison.environment.filter((row) => row.field !== 'code.spec_digest')],
  ]
  const none = groups.length === 0 && others.every(([, list]) => list.length === 0)
  return (
    <Card title="What differs" flush={!none} aside={<span className="dim">{comparison.config.length} of the configuration</span>}>
      {none ? (
        <p className="dim">Configuration, inputs and environment are the same.</p>
      ) : (
        <div className="table-wrap">
          <table className="sides">
            <thead>
              <tr>
                <th scope="col">configuration</th>
                <RunHeads {...props} />
              </tr>
            </thead>
            <tbody>
              {groups.map((g) => (
                <Fragment key={g.branch}>
                  {g.branch && <Heading span={comparison.runs.length + 1} text={g.branch} />}
                  {g.rows.map((row) => (
                    <Row key={row.path} name={row.name} title={row.path} inner={g.branch !== ''} values={row.values} write={formatLeaf} />
                  ))}
                </Fragment>
              ))}
              {others.map(
                ([name, list]) =>
                  list.length > 0 && (
                    <Fragment key={name}>
                      <Heading span={comparison.runs.length + 1} text={name} />
                      {list.map((row) => (
                        <Row key={row.field} name={row.field} title={row.field} inner values={row.values} write={(v) => shorten(v as string | null)} />
                      ))}
                    </Fragment>
                  ),
              )}
            </tbody>
          </table>
        </div>
      )}
    </Card>
  )
}

const shorten = (v: string | null) => (v === null ? '–' : /^sha256:/.test(v) ? v.slice(7, 19) : v)

const Heading = ({ span, text }: { span: number; text: string }) => (
  <tr className="branch">
    <th scope="rowgroup" colSpan={span}>
      {text}
    </th>
  </tr>
)

function Row({ name, title, inner, values, write }: { name: string; title: string; inner: boolean; values: unknown[]; write: (v: unknown) => string }) {
  const kind = kinds(values)
  return (
    <tr>
      <th scope="row" className={inner ? 'inner' : undefined} title={title}>
        {name}
      </th>
      {values.map((v, i) => (
        <td key={i} className={`right value kind-${Math.min(kind[i] ?? 0, 3)}`} title={v === null ? 'absent' : String(write(v))}>
          <code>{v === null ? <span className="dim">absent</span> : write(v)}</code>
        </td>
      ))}
    </tr>
  )
}
