import { Link } from 'wouter'
import { DatasetFigures, Dropped, Splits } from '../datasets/Contents'
import { RunDatasetDocument, type RunHeadFragment } from '../gen/graphql'
import { useAsk } from '../link/useAsk'
import { Digest } from '../parts/Command'
import { Empty, Loading, Trouble } from '../parts/State'
import { ended } from '../parts/Status'

// What a curate run made.
export function MadeDataset({ run }: { run: RunHeadFragment }) {
  const { data, error, again } = useAsk(RunDatasetDocument, { id: run.id }, { nudge: run.seq, every: 2_000 })
  if (!data) return error ? <Trouble error={error} again={again} /> : <Loading what="dataset" rows={5} />
  const made = data.run?.lineage.madeDataset
  if (!made)
    return (
      <Empty title={ended(run.status) ? 'No dataset was made' : 'The dataset is being made'}>
        {ended(run.status) ? 'What the run said stands under Console.' : 'It appears here when all of it is durable.'}
      </Empty>
    )
  return (
    <>
      <p className="made">
        <Link href={`/dataset/${encodeURIComponent(made.id)}`} className="name">
          {made.name || 'dataset'}
        </Link>{' '}
        <Digest digest={made.id} />
      </p>
      <DatasetFigures of={made} />
      <div className="columns">
        <Splits of={made} />
        <Dropped of={made} />
      </div>
    </>
  )
}
