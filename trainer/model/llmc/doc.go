// Package llmc writes and reads the model files of llm.c (gpt2_124M.bin): a header of 256 int32, then the tensors of a GPT-2.
//
//	[0] 20240326  [1] version: 3 is float32, 5 bfloat16  [2] longest sequence  [3] vocabulary  [4] layers  [5] heads  [6] channels
//	[7] vocabulary padded (to a multiple of 128 when llm.c writes it); the other 248 are 0
//
// Then, V being the padded vocabulary, T the longest sequence, C the channels and L the layers:
//
//	wte [V, C]  wpe [T, C]  ln1w ln1b [L, C]  qkvw [L, 3C, C]  qkvb [L, 3C]  attprojw [L, C, C]  attprojb [L, C]
//	ln2w ln2b [L, C]  fcw [L, 4C, C]  fcb [L, 4C]  fcprojw [L, C, 4C]  fcprojb [L, C]  lnfw lnfb [C]
//
// Matrices are [out, in], Hugging Face's GPT-2 has them [in, out]: they are transposed on the way. Tensors come and go under Hugging
// Face's names. Rows of wte behind the vocabulary are zeros when written, and not read.
//
// A second file, gpt2_tokenizer.bin, has the bytes of every token, to show what was generated: 256 uint32 (20240328, version 2,
// tokens, end of text), then for each token a byte of length and its bytes.
package llmc
