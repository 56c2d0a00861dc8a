// Package ingest is the door for scripts that log over HTTP (docs/formats/http.md): it reads request bodies straight into events, refuses
// what is not as it should be with a code and the place at fault, and hands batches to the tracker, as the GraphQL mutations do.
//
// The types you need: Server, which is an http.Handler for everything below /api/v1/runs and for uploads to /api/v1/blob, and Counts, what
// it has taken so far.
//
// What holds: a batch is taken as a whole or not at all; what was answered with 200 is durable in the log; a batch that is sent again
// changes nothing.
package ingest
