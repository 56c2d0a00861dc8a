// Package dedup finds what was there before: whole documents, equal (Exact) or nearly so (MinHash), and pieces of documents
// (Repeats): Lines, spans of Sentences, and runs of words (Substrings).
//
// Each is a search over the whole corpus: Add every document in order, then ask. The first occurrence stays. Memory is bounded,
// keys wait sorted in temporary files, and the result depends on nothing but the texts and their order, not on workers or memory.
// Whoever wants pieces removed reads the texts again, in the same order, and hands what Removals says of each to Cut.
//
// A piece that stays because it was the first may be in a document that is dropped afterwards, so search for pieces last, in the
// documents that stay, and at one Level after the other.
//
// Signatures are those of datatrove, bit for bit; testdata/datatrove.json has what it makes of some texts. Words are
// divided by white space, where datatrove's English default is spaCy's tokenizer: give it a splitter at white space to
// compare.
package dedup
