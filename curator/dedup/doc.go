// Package dedup finds documents that were there before: the equal ones while they pass by (Exact), and the nearly equal
// ones in a search over the whole corpus (MinHash).
//
// Signatures are those of datatrove, bit for bit; testdata/datatrove.json has what it makes of some texts. Words are
// divided by white space, where datatrove's English default is spaCy's tokenizer: give it a splitter at white space to
// compare.
package dedup
