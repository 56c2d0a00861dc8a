// Package words cuts text into words, lines and sentences by rules that are fixed by name, so that a recipe pins them.
//
// A Splitter is chosen by name: Simple or Whitespace. What is white space, a line or a terminal mark is said here once, for
// every filter that counts them; the definitions are those of Python's str.split and str.splitlines, which the published
// thresholds were found with.
package words
