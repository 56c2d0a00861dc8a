package token_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"millrace/trainer/token"

	"github.com/stretchr/testify/require"
)

// edit changes a tokenizer.json as a tree.
func edit(t *testing.T, change func(map[string]any)) []byte {
	t.Helper()
	var tree map[string]any
	require.NoError(t, json.Unmarshal(train(t, 300, sample).JSON(), &tree))
	change(tree)
	data, err := json.Marshal(tree)
	require.NoError(t, err)
	return data
}

func model(tree map[string]any) map[string]any { return tree["model"].(map[string]any) }
func vocab(tree map[string]any) map[string]any { return model(tree)["vocab"].(map[string]any) }
func added(tree map[string]any) map[string]any {
	return tree["added_tokens"].([]any)[0].(map[string]any)
}

func TestReadsHuggingFaceShapes(t *testing.T) {
	want := token.ID(train(t, 300, sample))
	for name, change := range map[string]func(map[string]any){
		"GPT-2's own file: no type, empty affixes, extra keys": func(m map[string]any) {
			delete(model(m), "type")
			delete(model(m), "byte_fallback")
			delete(model(m), "ignore_merges")
			model(m)["continuing_subword_prefix"], model(m)["end_of_word_suffix"] = "", ""
			m["pre_tokenizer"] = map[string]any{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true}
		},
		"merges as pairs": func(m map[string]any) {
			var pairs []any
			for _, s := range model(m)["merges"].([]any) {
				pairs = append(pairs, strings.Split(s.(string), " "))
			}
			model(m)["merges"] = pairs
		},
		"special token only in added_tokens": func(m map[string]any) { delete(vocab(m), token.EndOfText) },
	} {
		got, err := token.Parse(edit(t, change))
		require.NoError(t, err, name)
		require.Equal(t, want, token.ID(got), name)
	}
}

func TestRefusesByName(t *testing.T) {
	for want, change := range map[string]func(map[string]any){
		`model type "Unigram"`:      func(m map[string]any) { model(m)["type"] = "Unigram" },
		"dropout":                   func(m map[string]any) { model(m)["dropout"] = 0.1 },
		"word suffixes":             func(m map[string]any) { model(m)["end_of_word_suffix"] = "</w>" },
		"byte_fallback":             func(m map[string]any) { model(m)["byte_fallback"] = true },
		"normalizer":                func(m map[string]any) { m["normalizer"] = map[string]any{"type": "NFC"} },
		"no pre_tokenizer":          func(m map[string]any) { m["pre_tokenizer"] = nil },
		"a sequence of 0":           func(m map[string]any) { m["pre_tokenizer"] = map[string]any{"type": "Sequence"} },
		"use_regex":                 func(m map[string]any) { m["pre_tokenizer"].(map[string]any)["use_regex"] = false },
		"add_prefix_space":          func(m map[string]any) { m["pre_tokenizer"].(map[string]any)["add_prefix_space"] = true },
		"is not special":            func(m map[string]any) { added(m)["special"] = false },
		"no special token":          func(m map[string]any) { m["added_tokens"] = []any{}; delete(vocab(m), token.EndOfText) },
		"in added_tokens and":       func(m map[string]any) { added(m)["id"] = 5 },
		"is empty or repeated":      func(m map[string]any) { added(m)["content"] = "" },
		"byte alphabet":             func(m map[string]any) { delete(vocab(m), "th"); vocab(m)["日"] = vocab(m)["!"]; delete(vocab(m), "!") },
		"given twice":               func(m map[string]any) { vocab(m)["xyz"] = 0 },
		"the limit is":              func(m map[string]any) { vocab(m)["xyz"] = 1 << 40 },
		"is no token":               func(m map[string]any) { model(m)["merges"] = append(model(m)["merges"].([]any), "x zz") },
		"repeats":                   func(m map[string]any) { l := model(m)["merges"].([]any); model(m)["merges"] = append(l, l[0]) },
		"parts, want 2":             func(m map[string]any) { model(m)["merges"] = []any{"a b c"} },
		"neither":                   func(m map[string]any) { model(m)["merges"] = []any{1} },
		`no "model"`:                func(m map[string]any) { delete(m, "model") },
		"want an object":            func(m map[string]any) { model(m)["vocab"] = []any{} },
		`unknown format "other/9"`:  func(m map[string]any) { m["format"] = "other/9" },
		"not a byte-level vocabula": func(m map[string]any) { vocab(m)["zzq"] = vocab(m)["!"]; delete(vocab(m), "!") },
	} {
		_, err := token.Parse(edit(t, change))
		require.ErrorIs(t, err, token.ErrInvalid)
		require.ErrorContains(t, err, want)
	}
	for _, bad := range []string{"", "[]", "nonsense", `{"format":"millrace.tokenizer.byte/1","end_of_text":0}`,
		`{"format":"millrace.tokenizer.byte/1","end_of_text":256,"x":1}`, `{"format":"millrace.tokenizer.char/1","chars":"ba"}`,
		`{"format":"millrace.tokenizer.char/1","chars":""}`, `{"format":"millrace.tokenizer.char/1","chars":"aa"}`,
		strings.Replace(string(train(t, 300, sample).JSON()), `"!":0,`, `"!":0,"!":0,`, 1)} {
		_, err := token.Parse([]byte(bad))
		require.ErrorIs(t, err, token.ErrInvalid, "%.80q", bad)
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"bpe", "byte", "char", "word"} {
		data, err := os.ReadFile("testdata/golden/" + name + ".json")
		require.NoError(f, err)
		f.Add(data, "It was the worst of times.")
	}
	f.Fuzz(func(t *testing.T, data []byte, text string) {
		tok, err := token.Parse(data)
		if err != nil {
			require.ErrorIs(t, err, token.ErrInvalid)
			return
		}
		again, err := token.Parse(tok.JSON())
		require.NoError(t, err)
		require.Equal(t, string(tok.JSON()), string(again.JSON()))
		ids, err := token.Encode(tok, text)
		if err != nil {
			require.ErrorIs(t, err, token.ErrUnknownText)
			return
		}
		back, err := token.Decode(tok, ids)
		require.NoError(t, err)
		if w, ok := tok.(*token.Word); ok && slices.Contains(ids, w.Unknown()) {
			return
		}
		require.Equal(t, text, string(back))
	})
}

func FuzzSplit(f *testing.F) {
	f.Add("don't  stop\n\n 12½'ll \xff")
	f.Fuzz(func(t *testing.T, s string) {
		for _, p := range token.Patterns() {
			require.Equal(t, backtracking(published[p], s), slices.Collect(p.Split(s)), p)
		}
	})
}
