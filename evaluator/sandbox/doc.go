// Package sandbox runs code that a model wrote, bounded: a process of its own in an empty folder, without the node's environment, with limits of
// time, memory, output, open files, file sizes and processes, killed with all that it started.
//
// What it keeps apart depends on the machine, and Box.Isolation says it. On Linux the process has namespaces of its own, so that there is no
// network, and no process of it outlives it; Open refuses a machine that cannot do that unless told otherwise. A node that runs as root runs
// the code as nobody. Another node runs it as its own user: it can then read, and delete, what that user can. Run such nodes in a container.
package sandbox
