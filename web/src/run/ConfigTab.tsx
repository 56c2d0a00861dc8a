import { ConfigTree } from '../config/ConfigTree'
import { RunConfigDocument, type RunHeadFragment } from '../gen/graphql'
import { useAsk } from '../link/useAsk'
import { Card } from '../parts/Card'
import { Copy, Digest } from '../parts/Command'
import { Facts } from '../parts/Facts'
import { Loading, Trouble } from '../parts/State'

export function ConfigTab({ run }: { run: RunHeadFragment }) {
  const { data, error, again } = useAsk(RunConfigDocument, { id: run.id })
  const r = data?.run
  if (!r) return error ? <Trouble error={error} again={again} /> : <Loading what="configuration" rows={8} />
  return (
    <div className="columns columns-wide">
      <Card title="Configuration" aside={<Copy text={JSON.stringify(r.config, null, 2)} label="Copy as JSON" />}>
        <ConfigTree value={r.config} name="configuration" />
      </Card>
      <div>
        <Card title="Spec" aside={<Copy text={JSON.stringify(r.spec, null, 2)} label="Copy spec as JSON" />}>
          <Facts
            facts={[
              ['digest', <Digest digest={r.specDigest} />],
              ['version', r.code.version],
              ['revision', r.code.revision ? `${r.code.revision.slice(0, 12)}${r.code.modified ? ' (modified)' : ''}` : ''],
            ]}
          />
          <details>
            <summary>Everything needed to do the run again</summary>
            <pre className="json">{JSON.stringify(r.spec, null, 2)}</pre>
          </details>
        </Card>
        <Artifacts title="Inputs" of={r.inputs} />
        <Artifacts title="Outputs" of={r.outputs} />
      </div>
    </div>
  )
}

export function Artifacts({ title, of }: { title: string; of: { role: string; digest: string; name: string }[] }) {
  if (of.length === 0) return null
  return (
    <Card title={title}>
      <table className="plain">
        <tbody>
          {of.map((a, i) => (
            <tr key={i}>
              <td className="dim">{a.role}</td>
              <td>{a.name}</td>
              <td>
                <Digest digest={a.digest} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Card>
  )
}
