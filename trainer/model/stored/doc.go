// Package stored holds tensors as the files of models store them: bytes of a number format, row-major, little-endian.
//
// A Tensor does not have its bytes, it can write them, again and again: from a place in a file, from memory, or from another
// Tensor by a conversion (As), a transposition (Transpose) or a choice of rows (Rows). So a file of any size becomes another
// one with one tensor in memory at most.
package stored
