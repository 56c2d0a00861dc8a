// Package read turns published benchmarks, in the forms in which they are published, into Examples: one shape that every task asks about.
//
// Data is foreign: every reader has bounds, and its errors name the form, the line and what was expected. Nothing is shipped.
package read
