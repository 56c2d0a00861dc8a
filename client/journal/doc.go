// Package journal keeps what a process logs of one run on its own disk until the tracker has it. docs/formats/journal.md draws the bytes.
//
// The types you need: Journal (one writer's directory, held by one process), Batch (what is sent at once, with its number) and Contents
// (a batch, read back). Find lists the journals below a root, so that a later process can send what a dead one left.
//
// What survives: everything that Write has returned for survives the death of the process, and everything before the last Sync survives a
// loss of power. A batch is numbered when it is cut, and its cut is durable before it is sent, so that after a crash the same points go
// out again under the same number.
//
// Two caveats. A directory belongs to one process at a time, by a lock that ends with the process; where the system has no such lock
// (neither unix nor Windows) a second one is not noticed. When the disk takes no more, a journal goes on in memory up to a bound, and says
// so by Degraded: what is there dies with the process.
package journal
