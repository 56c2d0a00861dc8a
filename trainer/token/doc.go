// Package token turns text into token ids and back.
//
// Three kinds stand behind Tokenizer: BPE (GPT-2's byte-level byte-pair encoding, trained by Trainer, stored as a Hugging
// Face tokenizer.json), Byte (256 ids, one a byte) and Char (the sorted set of a text's characters, as nanoGPT does). Parse
// reads any of their files; JSON writes them, always the same bytes for the same tokenizer, so that ID names it.
//
// Every vocabulary has one special token, <|endoftext|>, which separates documents. It stands for no bytes: Append never
// produces it, whatever the text says, and Decode writes nothing for it. (Hugging Face's encode does look for the literal
// "<|endoftext|>" in text; this package leaves the decision where a document ends to the caller.)
//
// Tokenizers are immutable and safe for concurrent use.
package token
