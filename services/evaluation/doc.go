// Package evaluation judges checkpoints. Every checkpoint.saved becomes a request for an evaluation, one for each suite it names,
// and every request is done by one worker of the group: fetch the checkpoint, load it, score it, publish the scores. Requests
// are named after (run, step, suite), so a repeat of the event does not repeat the work.
package evaluation
