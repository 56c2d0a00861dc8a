// Package trainer is the training loop. It knows no bus and no storage: what happens is told to a Recorder.
//
// Config says what to do, completely once resolved; Job adds the tokens, the device and where to resume; Run does it and
// returns a Result. Checkpoint is a set of files whose bytes are a function of the job and the step.
//
// Guarantee: on one kind of device, the same Job gives the same metrics (those that Deterministic names) and the same
// checkpoints to the bit, whatever the number of threads and wherever it was interrupted and resumed.
package trainer
