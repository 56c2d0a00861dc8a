// Package graph is GraphQL over the read model: every question is answered from it, every wish becomes an event that the tracker
// publishes or refuses, and every subscription reads on when the read model nudges it.
//
// The types you need: Config (what a Handler is made of), Server (an http.Handler; Close ends its subscriptions), Tracker and
// Refusal (what graph wants of the write side). The schema is schema/*.graphqls; `go generate ./graph` after a change.
//
// Two caveats. A wish that is refused is not an error of GraphQL: look at userErrors. And net/http does not wait for WebSockets:
// call Close when the shutdown begins.
package graph

//go:generate go tool gqlgen generate --config gqlgen.yml
//go:generate go test . -run TestTheSchemaChangesOnlyAsAnnounced -update
