// Package web is the page that people look at: a React application under src, built by Vite into dist and embedded here.
//
// [Handler] is all that the program needs of it. A binary that was built without the pages still builds and runs: it serves
// plain.html, which says how to build them and that the command line does the same.
//
// [GraphiQL] is the page for asking GraphQL by hand, a second entry of the same build (graphiql.html, src/graphiql).
//
// The pages speak only GraphQL, as everyone else does. Their questions stand in *.graphql files beside the components that ask
// them; generate.mjs checks these against graph/schema and writes src/gen, which is not committed. To work on the pages with a
// node running at MILLRACE_URL:
//
//	cd web && npm ci && MILLRACE_URL=http://127.0.0.1:7070 npm run dev
//
// The tests of what the pages compute are beside it (npm test); e2e drives them in Chromium against a real node (npm run e2e,
// with MILLRACE_BIN or MILLRACE_URL).
package web
