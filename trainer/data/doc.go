// Package data turns shards of tokens into batches whose content is a function of a seed and a position, so that training
// resumes where it stopped without any state but the number of the step.
//
// Tokens is what a shard looks like to training; Bytes wraps a shard's raw bytes, Concat makes one of many. Order says which
// window of the text each sample is.
package data
