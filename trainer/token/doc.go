// Package token turns text into token ids and back.
//
// Four kinds stand behind Tokenizer: BPE (byte-level byte-pair encoding, trained by Trainer, stored as a Hugging Face
// tokenizer.json), Word (a vocabulary of whole words), Byte (256 ids, one a byte) and Char (the sorted set of a text's
// characters, as nanoGPT does). Parse reads any of their files; JSON writes them, always the same bytes for the same
// tokenizer, so that ID names it. ParseTiktoken reads rank files, ParseGPT2 vocab.json with merges.txt.
//
// BPE gives the ids that Hugging Face's tokenizers and tiktoken give, on any text, for the patterns of GPT-2, cl100k, o200k
// and Llama 3. Pattern holds their scanners, each tested against its published regular expression.
//
// Special tokens, <|endoftext|> in every vocabulary, stand for no bytes: Append never produces them, whatever the text says,
// and Decode writes nothing for them. AppendWithSpecial looks for their names, as Hugging Face's encode always does;
// ChatTemplate puts them around the messages of a conversation.
//
// Tokenizers are immutable and safe for concurrent use. Each goroutine that encodes at the same time as others costs a cache
// of a few megabytes, which the tokenizer keeps for the next one.
package token
