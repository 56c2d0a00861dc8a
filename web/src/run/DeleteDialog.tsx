import { Link } from 'wouter'
import { formatBytes } from '../format/number'
import { DeleteRunDocument, type DeleteRunMutation, type RunHeadFragment } from '../gen/graphql'
import { Answers, Dialog } from '../parts/Dialog'
import { Empty } from '../parts/State'
import { Refusals } from './Refusals'
import { useWish } from './useWish'

export type Freed = NonNullable<DeleteRunMutation['deleteRun']['freed']>

// Asks first: nobody brings a deleted run back.
export function DeleteDialog({ run, leave, gone }: { run: RunHeadFragment; leave: () => void; gone: (freed: Freed) => void }) {
  const { busy, refusals, wish } = useWish()
  const submit = async () => {
    const deleted = await wish(DeleteRunDocument, { input: { id: run.id } }, (d) => d.deleteRun)
    if (deleted) gone(deleted.freed ?? { database: 0, storage: 0 })
  }
  return (
    <Dialog title={`Delete ${run.name || run.id}?`} leave={leave} submit={() => void submit()}>
      <p>Its curves, console and checkpoints are gone for good. What other runs refer to stays. To put it out of sight only, archive it.</p>
      <Answers leave={leave} wish="Delete" stay="Keep it" busy={busy} danger>
        <Refusals of={refusals} />
      </Answers>
    </Dialog>
  )
}

// What stands in the place of a run that was deleted here.
export function Gone({ name, freed }: { name: string; freed: Freed }) {
  return (
    <Empty title={`${name} is deleted`}>
      <p role="status">
        That frees {formatBytes(freed.database)} of the database
        {freed.storage > 0 ? `, and ${formatBytes(freed.storage)} of storage once the garbage is collected` : '; nothing in storage was its alone'}.
      </p>
      <p>
        <Link href="/">All runs</Link>
      </p>
    </Empty>
  )
}
