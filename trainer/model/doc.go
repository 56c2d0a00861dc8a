// Package model holds architectures as data, their parameters, and what one can do with a model: train on it, score texts,
// generate, read and write it in the formats that other tools read.
//
// Config says the shape; New makes a trainable Model with seeded initial weights, Read a frozen one from a checkpoint. A Model
// compiles one program for each shape of batch it meets and keeps it. Parameters are named and laid out as Hugging Face's
// GPT-2 has them, so that a checkpoint's model.safetensors and config.json load there unchanged.
//
// A Model is used by one goroutine at a time.
package model
