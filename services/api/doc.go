// Package api is the HTTP door of a node: GraphQL, the page, health, metrics, downloads, and whatever else is mounted, behind one set
// of guards.
//
// The types you need: Config (what lies behind which path), Server (New, ServeHTTP, Serve), Check (one condition of readiness).
//
// Two caveats. On loopback the door is open to this machine's users, and closed to web pages of other sites by the Host and
// Origin they send. Beyond loopback it opens only with a Token, or when Config.Open says that a private network guards it.
package api
