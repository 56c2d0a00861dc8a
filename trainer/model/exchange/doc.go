// Package exchange takes models from and to the forms that other programs have them in: folders of Hugging Face's transformers,
// llama.cpp's GGUF, and llm.c's .bin.
//
// A Model is the meeting place: a config.json, tensors under transformers' names, and the tokenizer that goes with them, whatever it was read
// from. Open reads any of the forms; WriteFolder, WriteGGUF and WriteLLMC write them. Numbers are converted only where they are asked to be,
// or where the other form has no such format: a model that goes out and comes back has every tensor bit for bit.
//
// What lies between the forms:
//
//   - GPT-2's linear layers are [in, out] in transformers (its Conv1D) and [out, in] elsewhere: transposed;
//   - a tied head is the embedding and not written; one that a file has beside it has to be the same;
//   - Llama's query and key rows are permuted for llama.cpp, which rotates neighbours (2i, 2i+1) where transformers rotates i and i+half;
//   - llama.cpp computes with vectors in F32: norms and biases, and the position table, are always written so;
//   - a GPT-2 without biases, which only this program has, goes out with biases of zero.
package exchange
