// Package classify tells good documents from bad ones, as two labelled sets taught it: logistic regression over hashed word
// n-grams.
//
// A text's features are the different words and pairs of words it has, in lower case, each hashed to one of 2^bits weights;
// with n of them each has the value 1/√n, so that long texts are not surer than short ones. The score is
// 1/(1+exp(-(bias + Σ weights/√n))).
package classify
