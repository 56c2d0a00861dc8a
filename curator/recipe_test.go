package curator_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"millrace/curator"
	"millrace/trainer/token"

	"github.com/stretchr/testify/require"
)

func TestParseRecipeWritesDefaultsOut(t *testing.T) {
	yaml, err := curator.ParseRecipe([]byte("name: x\nsources: [{folder: ./data}]\n"))
	require.NoError(t, err)
	require.Equal(t, `{"dedup":"exact","filters":{"max_chars":0,"min_chars":0},"held_out":0.05,"held_out_by":"document",`+
		`"limit_bytes":0,"name":"x","seed":0,"shard_tokens":16777216,"sources":[{"folder":"./data","max_bytes":33554432,"name":"data"}],`+
		`"tokenizer":{"kind":"bpe","vocab_size":4096}}`, string(yaml.JSON()))
	again, err := curator.ParseRecipe(yaml.JSON())
	require.NoError(t, err)
	require.Equal(t, yaml, again)
	require.Equal(t, yaml.Digest(), again.Digest())

	near, err := curator.ParseRecipe([]byte("name: x\nsources: [{folder: a}]\ndedup: minhash\ndecontaminate: {against: [{jsonl: b.jsonl, text_field: question}]}\n"))
	require.NoError(t, err)
	require.Equal(t, curator.DedupMinHash, near.Dedup)
	require.Contains(t, string(near.JSON()), `"decontaminate":{"action":"drop","against":[{"include":["*.jsonl","*.jsonl.gz","*.ndjson","*.ndjson.gz"],`+
		`"jsonl":"b.jsonl","max_bytes":33554432,"name":"b.jsonl","text_field":"question"}],"ngram":13},"dedup":"minhash"`)
	again, err = curator.ParseRecipe(near.JSON())
	require.NoError(t, err)
	require.Equal(t, near, again)

	zero, err := curator.ParseRecipe([]byte(`{"name":"x","sources":[{"jsonl":"a.jsonl"}],"held_out":0,"tokenizer":{"kind":"char"}}`))
	require.NoError(t, err)
	require.Zero(t, zero.HeldOut, "0 is said, and is not the default")
	require.Equal(t, curator.Tokenizer{Kind: token.KindChar}, zero.Tokenizer)
	require.Equal(t, "text", zero.Sources[0].TextField)
}

// A filter that is named has its published thresholds written out; one that is not leaves no trace in the digest.
func TestFiltersAreWrittenOut(t *testing.T) {
	const head = "name: x\nsources: [{folder: ./data}]\n"
	plain, err := curator.ParseRecipe([]byte(head))
	require.NoError(t, err)
	require.EqualValues(t, "sha256:d10cc712860aa65318154f20b6de5728d713acdc0eb2daaceab43aacbd40ad14", plain.Digest(), "as before there were filters")
	null, err := curator.ParseRecipe([]byte(head + "filters: {c4: null, gopher_quality: null}\nclean: null\nprivacy: null\nattributes: false\n"))
	require.NoError(t, err)
	require.Equal(t, plain.Digest(), null.Digest())

	some, err := curator.ParseRecipe([]byte(head + "filters: {c4_paragraphs: {min_paragraphs: 2}, fineweb: {}}\nclean: {nfc: false}\nprivacy: {kinds: [email]}\n"))
	require.NoError(t, err)
	require.Contains(t, string(some.JSON()), `"clean":{"controls":true,"encoding":"detect","line_endings":true,"nfc":false},`)
	require.Contains(t, string(some.JSON()), `"filters":{"c4_paragraphs":{"min_paragraphs":2,"paragraph_chars":200},"fineweb":{"max_dup_line_chars":0.01,`+
		`"max_newlines_per_word":0.3,"max_short_lines":0.67,"min_terminal_lines":0.12,"short_line_chars":30},"max_chars":0,"min_chars":0,"words":"simple"},`)
	require.Contains(t, string(some.JSON()), `"privacy":{"kinds":["email"]},`)
	again, err := curator.ParseRecipe(some.JSON())
	require.NoError(t, err)
	require.Equal(t, some, again)
}

func TestParseRecipeNamesWhatIsWrong(t *testing.T) {
	const head = "name: x\nsources: [{folder: a}]\n"
	for text, want := range map[string]string{
		head + "held_outt: 0.1":                                         `held_outt is not a known key`,
		"name: x\nsources: [{folder: a, inclde: [b]}]":                  `inclde is not a known key`,
		"sources: [{folder: a}]":                                        "name has 0 bytes",
		"name: x":                                                       "sources is empty",
		"name: x\nsources: [{}]":                                        "one of folder, jsonl, csv",
		"name: x\nsources: [{folder: a, jsonl: b}]":                     "exclude each other",
		"name: x\nsources: [{folder: a}, {folder: b/a}]":                `another source "a"`,
		"name: x\nsources: [{folder: a, include: ['[']}]":               "syntax error in pattern",
		"name: x\nsources: [{folder: a, include: ['/']}]":               "empty pattern",
		"name: x\nsources: [{folder: a, max_bytes: -1}]":                "max_bytes is -1",
		"name: x\nsources: [{jsonl: a, separator: x}]":                  "separator is for folder",
		"name: x\nsources: [{folder: a, text_field: x}]":                "text_field is for jsonl",
		head + "held_out: 1":                                            "held_out is 1",
		head + "held_out: 0.00001":                                      "held_out is 1e-05",
		head + "held_out: .nan":                                         "recipe",
		head + "held_out_by: luck":                                      `held_out_by is "luck"`,
		head + "shard_tokens: 0":                                        "shard_tokens is 0",
		head + "limit_bytes: -5":                                        "limit_bytes is -5",
		head + "filters: {min_chars: 5, max_chars: 2}":                  "leave nothing",
		head + "tokenizer: {kind: sentencepiece}":                       `kind is "sentencepiece"`,
		head + "tokenizer: {vocab_size: 12}":                            "vocab_size is 12",
		head + "tokenizer: {kind: byte, vocab_size: 512}":               "vocab_size and train_bytes are for bpe",
		head + "tokenizer: {file: a.json, vocab_size: 512}":             "have no say",
		head + "tokenizer: {file: a.json, pattern: gpt2}":               "have no say",
		head + "tokenizer: {file: a.json, digest: b}":                   "exclude each other",
		head + "tokenizer: {digest: b}":                                 `digest is "b"`,
		head + "tokenizer: {file: a.json, special: [x, x]}":             `special[1] is "x"`,
		head + "tokenizer: {kind: char, min_frequency: 3}":              "min_frequency are; the text decides",
		head + "tokenizer: {kind: word, special: [a]}":                  "special is for bpe",
		head + "tokenizer: {kind: word, vocab_size: 2}":                 "want 3 to",
		head + "tokenizer: {pattern: gpt5}":                             `unknown pattern "gpt5"`,
		head + "tokenizer: {special: [a, b, a]}":                        `special[2] is "a"`,
		head + "tokenizer: {special: [<|endoftext|>]}":                  "special[0] is",
		head + "tokenizer: {special: [a, b], vocab_size: 258}":          "want 259 to",
		head + "tokenizer: {min_frequency: -1}":                         "min_frequency is -1",
		head + "tokenizer: {train_bytes: -1}":                           "train_bytes is -1",
		head + "dedup: fuzzy":                                           `dedup is "fuzzy"`,
		head + "decontaminate: {}":                                      "against is empty",
		head + "decontaminate: {against: [{folder: b}], ngram: 3}":      "ngram is 3",
		head + "decontaminate: {against: [{}]}":                         "against[0]: one of folder, jsonl",
		head + "decontaminate: {against: [{folder: b}, {folder: c/b}]}": `another source "b"`,
		head + "decontaminate: {against: [{folder: b}], action: hide}":  `action is "hide"`,
		head + "decontaminate: {with: 1}":                               `with is not a known key`,
		head + "name: y":                                                `"name" already defined`,
		head + "? [a, b]\n: c":                                          "recipe",
		head + "filters: {gopher_quality: {min_wrods: 5}}":              `filters.gopher_quality.min_wrods is not a known key`,
		head + "filters: {gopher: {}}":                                  `gopher is not a known key`,
		head + "filters: {words: nltk, c4: {}}":                         `words is "nltk"`,
		head + "filters: {fineweb: {max_short_lines: -1}}":              "fineweb.max_short_lines is -1",
		head + "clean: {nfd: true}":                                     `nfd is not a known key`,
		head + "clean: {encoding: utf7}":                                `encoding is "utf7"`,
		head + "privacy: {kinds: [names]}":                              `kind "names" is not known`,
		head + "privacy: {kinds: []}":                                   "kinds is empty",
		"":                                                              "name has 0 bytes", "[]": "recipe", "a: &a [*a]": "recipe", "\t": "recipe",
		strings.Repeat("#", 1<<20+1): "the limit is",
	} {
		_, err := curator.ParseRecipe([]byte(text))
		require.ErrorIs(t, err, curator.ErrRecipe, "%.80s", text)
		require.ErrorContains(t, err, want, "%.80s", text)
	}
}

func TestParseManifestRefuses(t *testing.T) {
	golden, err := os.ReadFile("testdata/golden/manifest.json")
	require.NoError(t, err)
	for name, change := range map[string]func(m map[string]any){
		"format":                  func(m map[string]any) { m["format"] = "millrace.dataset/9" },
		`unknown field "x"`:       func(m map[string]any) { m["x"] = 1 },
		"recipe_digest is":        func(m map[string]any) { m["recipe"].(map[string]any)["seed"] = 5 },
		"is no digest":            func(m map[string]any) { m["source"] = "sha256:12" },
		"dtype is":                func(m map[string]any) { m["dtype"] = "uint32" },
		"tokenizer kind":          func(m map[string]any) { m["tokenizer"].(map[string]any)["kind"] = "x" },
		"with end_of_text":        func(m map[string]any) { m["tokenizer"].(map[string]any)["end_of_text"] = -1 },
		"splits must be":          func(m map[string]any) { m["splits"] = []any{} },
		"but its":                 func(m map[string]any) { m["splits"].([]any)[0].(map[string]any)["tokens"] = 1 },
		"do not fit together":     func(m map[string]any) { shard(m)["size"] = 7 },
		"index \"\" is no digest": func(m map[string]any) { shard(m)["index"] = "" },
	} {
		var tree map[string]any
		require.NoError(t, json.Unmarshal(golden, &tree))
		change(tree)
		data, err := json.Marshal(tree)
		require.NoError(t, err)
		_, err = curator.ParseManifest(data)
		require.ErrorIs(t, err, curator.ErrManifest)
		require.ErrorContains(t, err, name)
	}
	_, err = curator.ParseManifest([]byte("nonsense"))
	require.ErrorIs(t, err, curator.ErrManifest)
}

func shard(m map[string]any) map[string]any {
	return m["splits"].([]any)[0].(map[string]any)["shards"].([]any)[0].(map[string]any)
}

func FuzzParseManifest(f *testing.F) {
	golden, err := os.ReadFile("testdata/golden/manifest.json")
	require.NoError(f, err)
	f.Add(golden)
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := curator.ParseManifest(data)
		if err != nil {
			require.ErrorIs(t, err, curator.ErrManifest)
			return
		}
		again, err := curator.ParseManifest(m.JSON())
		require.NoError(t, err)
		require.Equal(t, m.Digest(), again.Digest())
	})
}

func FuzzParseRecipe(f *testing.F) {
	f.Add([]byte(goldenRecipe))
	f.Add([]byte(`{"name":"x","sources":[{"jsonl":"a"}],"tokenizer":{"file":"t.json"}}`))
	f.Add([]byte(qualityRecipe))
	f.Add([]byte(`{"name":"x","sources":[{"jsonl":"a"}],"dedup":"minhash","decontaminate":{"against":[{"folder":"b"}],"ngram":8}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := curator.ParseRecipe(data)
		if err != nil {
			require.ErrorIs(t, err, curator.ErrRecipe)
			return
		}
		again, err := curator.ParseRecipe(r.JSON())
		require.NoError(t, err, "%s", r.JSON())
		require.Equal(t, r.Digest(), again.Digest())
	})
}
