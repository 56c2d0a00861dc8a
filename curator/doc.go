// Package curator turns text into a dataset: it reads a recipe's sources, cleans the text, drops what the recipe does not
// want (and says why, with examples), takes personal data out, trains or takes a tokenizer, and packs token ids into shards,
// with some documents held out.
//
// A Recipe says what to do; Curator.Run does it, puts the bytes into a Sink, and returns a Manifest, whose digest is the
// dataset's identity. The same recipe over the same files gives the same manifest to the byte, whatever the number of
// workers: it holds no times and no machine.
//
// Sources of the web and of models are fetched first (package fetch) and stored; the manifest's recipe then names what was
// fetched, and makes the same dataset of it.
//
// A source is read once: its text, refined, waits for the tokenizer and the shards in a temporary file, compressed (package
// spool), so that documents never have to fit into memory and what happens to a source afterwards does not matter. What is held
// is 256 MiB at most for exact de-duplication, or 4 bytes a document and 64 MiB for near duplicates (the rest is in temporary
// files), 128 MiB while lines, sentences or runs of words are looked for that were there before, 16 bytes an n-gram of the evaluations to decontaminate against, the distinct words while a vocabulary is learned, one
// shard a split and two that are being stored, and some MB of documents a worker.
//
// Every document is measured before it is judged. With Recipe.Attributes the measurements are stored: Why tells what became
// of a document, and Redecide judges all of them by other thresholds without their text.
package curator
