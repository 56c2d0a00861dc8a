// Package measure counts what the published quality filters look at: Gopher's quality and repetition figures, C4's lines and
// sentences, FineWeb's line statistics, words from a list. Everything is a whole number, so that a stored measurement decides
// exactly as the text would; the ratios are made by package filter.
//
// A Measurer is made from Options and used from one goroutine; it keeps its scratch space between documents. C4's filter
// rewrites: with Options.C4 set, Measure also gives the text of the lines that are kept, and FineWeb's figures are of that.
package measure
