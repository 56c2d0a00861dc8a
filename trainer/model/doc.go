// Package model holds architectures as data, their parameters, and what one can do with a model: train on it, score texts,
// generate, read and write it in the formats that other tools read.
//
// Config says the shape; New makes a trainable Model with seeded initial weights, Read a frozen one from a checkpoint. A Model
// compiles one program for each shape of batch it meets and keeps it. A file's tensors are named and laid out as Hugging Face's
// GPT-2, Llama, BERT and T5 have them, so that a checkpoint's model.safetensors and config.json load there unchanged.
//
// A Config names a family (family.go) and the choices in which it differs from that; layout.go knows the names, parameters.go the
// shapes and initial values, network.go, block.go and head.go the network, one function a part.
//
// A Model is used by one goroutine at a time.
package model
