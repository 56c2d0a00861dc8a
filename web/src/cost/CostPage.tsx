import { useSearchParams } from 'wouter'
import { PriceBookDocument } from '../gen/graphql'
import { useAsk } from '../link/useAsk'
import { Loading, Trouble } from '../parts/State'
import { useTitle } from '../parts/title'
import { Book } from './Book'
import { Estimator } from './Estimator'
import { Planner } from './Planner'

export function CostPage() {
  useTitle('Cost')
  const [params] = useSearchParams()
  const { data, error, again } = useAsk(PriceBookDocument, {})
  if (!data) return error ? <Trouble error={error} again={again} /> : <Loading what="price book" rows={8} />
  return (
    <>
      <h1 className="page-title">Cost</h1>
      <Estimator book={data.priceBook} presets={data.modelPresets} />
      <Planner device={params.get('device') ?? 'H100'} />
      <Book book={data.priceBook} again={again} />
    </>
  )
}
