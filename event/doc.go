// Package event is the vocabulary of Millrace: every fact that can happen, as a sealed set of Go types, with ids and the
// wire form. An event is the only shape that travels between services.
//
// The types you need: Event (one fact), Envelope (a fact with who said it, when, and its place in the log), Encode and
// Decode (CloudEvents 1.0 attributes as headers, JSON body; metric points in a compact column frame), and All (one example
// of every fact, for tests and for the generated AsyncAPI document).
//
// Events are named in the past tense and never changed. A new field must be optional; a changed meaning is a new type.
// Keys make repeats harmless: a metric point is (run, key, writer, step), a checkpoint (run, step), spent resources
// (run, attempt, worker, device), an evaluation (checkpoint, suite digest).
package event
