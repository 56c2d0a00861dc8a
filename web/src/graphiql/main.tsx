import { createGraphiQLFetcher } from '@graphiql/toolkit'
import { GraphiQL } from 'graphiql'
import 'graphiql/style.css'
import { createClient } from 'graphql-ws'
import { createRoot } from 'react-dom/client'
import './page.css'

// GraphiQL, asking the node that served it: questions and wishes by HTTP, subscriptions by WebSocket. The token's cookie goes along.
const wsClient = createClient({
  url: `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/graphql`,
  lazy: true,
})

const fetcher = createGraphiQLFetcher({ url: '/graphql', wsClient })

const first = `# Ctrl-Enter asks, Ctrl-Space completes.
{
  system { version appliedSeq roles }
  runs(first: 10) {
    totalCount
    nodes { id name status cost { dollars } metrics { key last } }
  }
}
`

createRoot(document.getElementById('graphiql') as HTMLElement).render(<GraphiQL fetcher={fetcher} defaultQuery={first} />)
