// Package training does training runs: it takes run.requested of kind train, fetches the dataset from storage, drives the
// trainer, and tells the log what happens: points, checkpoints, usage, the end.
//
// Bytes first, fact second: a checkpoint's files are durable in storage before checkpoint.saved names them, and every
// point up to that step is in the log before it too. A job that comes again, after a crash or from another machine, goes on from
// the last checkpoint, and the run is the same to the bit as one that was never interrupted.
package training
