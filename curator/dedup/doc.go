// Package dedup finds documents that were there before: equal ones (Exact) and nearly equal ones (MinHash), in a search over
// the whole corpus whose memory is bounded and whose result depends on nothing but the documents and their order.
//
// Signatures are those of datatrove, bit for bit; testdata/datatrove.json has what it makes of some texts. Words are
// divided by white space, where datatrove's English default is spaCy's tokenizer: give it a splitter at white space to
// compare.
package dedup
