// Package job carries one run from its request to its end, whatever its kind: it says that the run has started, publishes its
// metrics, progress, console lines, usage and what it spends, stops it when asked to, turns an error into a failure that a
// person can act on, and says that it has ended.
//
// The types: Runner (a worker that takes jobs of a kind from the bus), Job (the run in hand, which the kind's own code
// talks to), Failed (an error with a code and a hint).
//
// A job may be delivered again after a crash: the attempt grows and the kind's code goes on from its last checkpoint. What
// Job.Flush has confirmed is in the log; nothing else is promised.
package job
