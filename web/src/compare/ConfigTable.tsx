import { Fragment } from 'react'
import { differenceGroups, kinds } from '../config/differences'
import { formatLeaf } from '../config/tree'
import { shortDigest } from '../format/number'
import { Card } from '../parts/Card'
import { RunHeads } from './CompareHead'
import type { Colored } from './ComparePage'

// Only what differs: a reader who sees two values sees why two runs are not one.
export function ConfigTable(props: Colored) {
  const { comparison } = props
  const groups = differenceGroups(comparison.config)
  const { datasets } = comparison
  const others: [string, { field: string; values: unknown[] }[]][] = [
    ['inputs', comparison.inputs],
    ['dataset', datasets.fields],
    ['how the dataset was made', (datasets.recipe ?? []).map(({ path, values }) => ({ field: path, values }))],
    ['documents kept of each source', datasets.sources ?? []],
    ['tokenizer', comparison.tokenizers],
    ['code', comparison.code],
    ['machine', comparison.machine],
  ]
  const none = groups.length === 0 && others.every(([, list]) => list.length === 0)
  return (
    <Card title="What differs" flush={!none} aside={<span className="dim">{comparison.config.length} of the configuration</span>}>
      {none ? (
        <p className="dim">Configuration, inputs, dataset, tokenizer, code and machine are the same.</p>
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
                        <Row key={row.field} name={row.field} title={row.field} inner values={row.values} write={shorten} />
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

const shorten = (v: unknown) => (typeof v === 'string' && v.startsWith('sha256:') ? shortDigest(v) : formatLeaf(v))

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
