// Package evaluator scores a Model on suites of tasks.
//
// A Suite is data: versioned JSON, some of it embedded (Suites), with a digest that names exactly what was asked. Evaluator
// turns a Model, a tokenizer and a held-out text into scores, each with its definition in its metric's name and in the
// comment of the function that computes it, and into samples.
//
// Two numbers are comparable when suite digest, dataset and tokenizer are the same; bits_per_byte also when the tokenizers
// differ. A perplexity is not: it counts tokens. Every window is scored by itself and sums run in the order of the text, so
// no score depends on how many are scored at once.
package evaluator
