// Package external does runs of kind external that name a command: it starts somebody else's training program under the platform, with its
// inputs laid out in a folder and the run's id and address in its environment, and tells the log what comes of it: console, usage, points,
// checkpoints, the end. The program may be in any language and of any engine; what it must do is little, and optional.
//
// The types: Command (what a run's spec says of the program), Service (a worker that takes such runs). Guard is the small process between the
// worker and the command: it ends the command and all that it started when the worker is gone, however it went.
//
// A checkpoint is a folder whose name tells its step. It is taken when it is complete: when it stands under its name without a marker file in
// the rule, or once its marker is there. Its bytes are durable in storage before checkpoint.saved names them. A run that comes again, because
// its command failed or its worker was killed, goes on from the newest checkpoint, of which the command finds a copy in MILLRACE_RESUME.
//
// Whoever may start such a run may run any program as the user of the worker. No worker does unless its configuration allows it.
package external
