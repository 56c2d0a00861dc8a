// Package tracker turns a wish into an event, or refuses, and keeps the read model true.
//
// A wish is itself an event that has not happened yet: Submit fills in what its maker could not know (ids, the resolved
// configuration, the digest of the spec), checks it against the read model, publishes it, and returns once the read model
// has folded it, so that whoever wished sees the effect in the next read. Run folds the log into the read model and gives
// the verdict on reproductions, and asks what has spent its budget to stop (docs/runs.md has the life of a run).
//
// The types: Tracker, and Refusal, an error with a stable code, a hint and the field at fault.
package tracker
