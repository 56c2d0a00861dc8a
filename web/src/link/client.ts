import { cacheExchange, Client, fetchExchange, subscriptionExchange } from 'urql'
import { createClient } from 'graphql-ws'
import { connection } from './connection'

// Sends every question to the node that served the page: questions and wishes by HTTP, subscriptions by one WebSocket that
// is opened with the first of them and comes back by itself, for as long as the page is open.
const socket = createClient({
  url: `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/graphql`,
  lazy: true,
  lazyCloseTimeout: 5_000,
  keepAlive: 10_000,
  retryAttempts: Infinity,
  shouldRetry: () => true,
  retryWait: (tries) =>
    new Promise((resolve) => setTimeout(resolve, Math.min(8_000, 250 * 2 ** tries) * (0.75 + Math.random() / 2))),
  on: connection.listeners,
})

export const client = new Client({
  url: '/graphql',
  preferGetMethod: false,
  // Answers whole: a stream of events is for subscriptions, and cannot be compressed on its way.
  fetchOptions: { headers: { accept: 'application/graphql-response+json, application/json' } },
  requestPolicy: 'cache-and-network',
  exchanges: [
    cacheExchange,
    fetchExchange,
    subscriptionExchange({
      forwardSubscription: (request) => ({
        subscribe: (sink) => ({
          unsubscribe: socket.subscribe({ query: request.query ?? '', variables: request.variables }, sink),
        }),
      }),
    }),
  ],
})
