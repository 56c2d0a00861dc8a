// Package node is one process of Millrace: it opens what the configuration names (the log, storage, the read model), and runs
// the roles it was given until its context ends.
//
// All roles in one process and one role in each of many processes are the same code with another list. Without a NATS URL the
// log is embedded, without an S3 endpoint the object store is; both can be opened to other processes.
//
// The types: Config (its zero value with a Data directory runs), Node (Open, Run).
package node
