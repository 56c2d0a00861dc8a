// Package gguf writes and reads GGUF, the file format of llama.cpp: keys with values, then tensors. All numbers are little-endian.
//
//	4 bytes   "GGUF"
//	4 bytes   version, 3 (2 is read too: it has the same layout)
//	8 bytes   number of tensors
//	8 bytes   number of pairs
//	pairs     key, type of the value (uint32), value. A text is its length (uint64) and its bytes; an array is the type of its
//	          elements (uint32), their number (uint64) and they
//	tensors   name, number of dimensions (uint32), dimensions (uint64 each, the fastest first), format (uint32), offset (uint64)
//	          from where the data begin
//	padding   zeros up to the alignment: 32, or what general.alignment says
//	data      each tensor padded to the alignment
//
// The package knows the container and no model: what the keys and names mean is said in trainer/model/exchange. What is read may
// come from anywhere: every count and length is checked before it is believed.
package gguf
