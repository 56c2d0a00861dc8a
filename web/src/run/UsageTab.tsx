import { useMemo } from 'react'
import { Chart } from '../chart/Chart'
import type { Line } from '../chart/align'
import { usePalette } from '../chart/palette'
import { decode, formatBytes, formatPercent, formatValue } from '../format/number'
import { formatSeconds } from '../format/time'
import { RunEnvironmentDocument, RunUsageDocument, type RunHeadFragment, type UsagePartsFragment } from '../gen/graphql'
import { useAsk } from '../link/useAsk'
import { Card } from '../parts/Card'
import { Facts } from '../parts/Facts'
import { Empty, Loading, Trouble } from '../parts/State'
import { CostCard } from './CostCard'

export function UsageTab({ run }: { run: RunHeadFragment }) {
  const { data, error, again } = useAsk(RunUsageDocument, { id: run.id, maxPoints: 400 }, { nudge: run.usage?.at, every: 3_000 })
  const environment = useAsk(RunEnvironmentDocument, { id: run.id }, { nudge: run.attempts }).data?.run
  const history = data?.run?.usageHistory
  return (
    <div className="columns columns-wide">
      <div>
        {error && !history && <Trouble error={error} again={again} />}
        {!error && !history && <Loading what="usage" rows={6} />}
        {history && (history.length > 0 ? <UsageCharts history={history} /> : <Empty title="No usage was sampled">Workers sample what they consume every few seconds.</Empty>)}
      </div>
      <div>
        <CostCard cost={run.cost} forecast={run.forecast} left={run.budgetLeft} />
        {environment?.environment && (
          <Card title="Environment">
            <Facts
              facts={[
                ['host', environment.environment.host],
                ['cpu', `${environment.environment.cpu}, ${environment.environment.cores} cores`],
                ['memory', environment.environment.memory > 0 ? formatBytes(environment.environment.memory) : ''],
                ['gpus', environment.environment.gpus.join(', ')],
                ['engine', `${environment.environment.engine} ${environment.environment.kernels}`.trim()],
                ['threads', environment.environment.threads],
                ['system', `${environment.environment.os}/${environment.environment.arch}`],
                ['go', environment.environment.go],
                ['millrace', `${environment.code.version} ${environment.code.revision.slice(0, 12)}${environment.code.modified ? ' (modified)' : ''}`],
              ]}
            />
          </Card>
        )}
      </div>
    </div>
  )
}

function UsageCharts({ history }: { history: UsagePartsFragment[] }) {
  const color = usePalette()
  const charts = useMemo(() => {
    const start = Date.parse(history[0]?.at ?? '')
    const x = history.map((u) => (Date.parse(u.at) - start) / 1000)
    const line = (label: string, i: number, read: (u: UsagePartsFragment) => number | null | undefined): Line => ({ id: label, label, color: color(i), x, y: history.map((u) => read(u) ?? NaN) })
    const gpus = history.at(-1)?.gpus ?? []
    const gpu = (u: UsagePartsFragment, index: number) => u.gpus.find((g) => g.index === index)
    const list: { name: string; lines: Line[]; format: (x: number) => string; bytes?: boolean }[] = [
      { name: 'CPU', lines: [line('run', 0, (u) => decode(u.cpuPercent)), line('machine', 5, (u) => decode(u.machinePercent))], format: formatPercent },
      { name: 'Memory', lines: [line('run (RSS)', 0, (u) => u.rss), line('machine', 5, (u) => u.memoryUsed)], format: formatBytes, bytes: true },
    ]
    if (gpus.length > 0) {
      list.push({ name: 'GPU', lines: gpus.map((g, i) => line(`${g.index} ${g.name}`, i, (u) => decode(gpu(u, g.index)?.percent))), format: formatPercent })
      list.push({ name: 'GPU memory', lines: gpus.map((g, i) => line(`${g.index} ${g.name}`, i, (u) => gpu(u, g.index)?.memoryUsed)), format: formatBytes, bytes: true })
      if (gpus.some((g) => g.watts !== null)) list.push({ name: 'GPU power', lines: gpus.map((g, i) => line(`${g.index} ${g.name}`, i, (u) => decode(gpu(u, g.index)?.watts))), format: (w) => `${formatValue(w, 3)} W` })
    }
    const rate = (read: (u: UsagePartsFragment) => number) => (u: UsagePartsFragment) => {
      const i = history.indexOf(u)
      const before = history[i - 1]
      const gap = (x[i] ?? 0) - (x[i - 1] ?? 0)
      return before && gap > 0 ? Math.max(0, (read(u) - read(before)) / gap) : 0
    }
    const perSecond = (b: number) => `${formatBytes(b)}/s`
    list.push({ name: 'Disk', lines: [line('read', 0, rate((u) => u.diskRead)), line('written', 1, rate((u) => u.diskWritten))], format: perSecond, bytes: true })
    list.push({ name: 'Network', lines: [line('received', 0, rate((u) => u.netReceived)), line('sent', 1, rate((u) => u.netSent))], format: perSecond, bytes: true })
    return list
  }, [history, color(0)])
  return (
    <div className="chart-grid">
      {charts.map((c) => (
        <figure className="chart-card" key={c.name}>
          <figcaption>{c.name}</figcaption>
          <Chart name={c.name} lines={c.lines} xLabel="time" formatX={formatSeconds} formatY={c.format} sync="usage" fromZero bytes={c.bytes} height={150} />
        </figure>
      ))}
    </div>
  )
}

