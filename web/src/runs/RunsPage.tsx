import { useTitle } from '../parts/title'
import { RunsView } from './RunsView'

export function RunsPage() {
  useTitle('Runs')
  return (
    <>
      <h1 className="hidden">Runs</h1>
      <RunsView />
    </>
  )
}
