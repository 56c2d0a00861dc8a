// Package judging lets a model that answers elsewhere vote in a contest: a run of kind judge. It asks every question of the contest, pairs in
// both orders, reads a strict verdict out of each answer, and publishes it as a vote at once. Votes are named after (run, item, entries in their
// order), so that a worker that comes after a crash asks only what has no vote yet.
//
// What the judge is asked is a template (Prompt), which is part of the run's specification, as is the contest.
package judging
