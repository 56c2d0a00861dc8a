// Package metric compares texts with references: exact match, BLEU, chrF and ROUGE, each for a sample and for a corpus, with
// intervals by bootstrap.
//
// A Metric turns a sample into statistics that add up, and a sum of statistics into a score. That is how corpora are scored by all
// that call themselves BLEU or chrF: from the sum of what was counted, and not from the mean of scores. A Corpus adds samples as
// they come and knows the score of what it has at any time.
//
// The numbers are those of the tools that papers quote: BLEU and chrF are sacreBLEU's (Post 2018, version 2.6.0), ROUGE is Google's
// rouge-score (version 0.1.2, NLTK's Porter stemmer), exact match is lm-evaluation-harness'. Texts are sequences of code points; bytes
// that are no UTF-8 count as U+FFFD. White space is what Python calls white space, which is Unicode's and U+001C to U+001F.
//
// Nothing here remembers texts, and a Metric may be used by many goroutines at once; a Corpus by one.
package metric
