// Package ngram is a language model of word n-grams: trained by interpolated modified Kneser-Ney smoothing (Chen and
// Goodman 1998; the estimate is KenLM's, Heafield et al. 2013), asked for the perplexity of texts, and read from a file of
// its own or from ARPA.
//
// A line that is not blank is a sentence: its words are predicted, each from the n-1 before it, and its end. An n-gram is
// known by a hash of 64 bits, so no words are kept.
package ngram
