package token_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"millrace/trainer/token"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// rankFile writes a vocabulary the way tiktoken does.
func rankFile(b *token.BPE) []byte {
	var out bytes.Buffer
	for id := range b.VocabSize() {
		if t := b.Bytes(int32(id)); t != nil {
			fmt.Fprintf(&out, "%s %d\n", base64.StdEncoding.EncodeToString(t), id)
		}
	}
	return out.Bytes()
}

// slowRanks is tiktoken's definition: a piece that is a token is that token; otherwise join, again and again, the adjacent
// parts that make the token of lowest rank, the leftmost first.
func slowRanks(ids map[string]int32, piece string) (out []int32) {
	if id, ok := ids[piece]; ok {
		return []int32{id}
	}
	parts := strings.Split(string([]rune(latin1(piece))), "")
	for i := range parts {
		parts[i] = string([]byte{byte([]rune(parts[i])[0])})
	}
	for {
		best, at := int32(1<<30), -1
		for i := range len(parts) - 1 {
			if id, ok := ids[parts[i]+parts[i+1]]; ok && id < best {
				best, at = id, i
			}
		}
		if at < 0 {
			break
		}
		parts = slices.Replace(parts, at, at+2, parts[at]+parts[at+1])
	}
	for _, p := range parts {
		out = append(out, ids[p])
	}
	return out
}

// latin1 has a character for each byte of s.
func latin1(s string) string {
	var runes []rune
	for i := range len(s) {
		runes = append(runes, rune(s[i]))
	}
	return string(runes)
}

func TestRankFileIsTiktokensDefinition(t *testing.T) {
	docs := []string{sample, strings.Repeat("abab aaaa aaaaaa abaaba ", 9)}
	rapid.Check(t, func(rt *rapid.T) {
		pattern := rapid.SampledFrom(token.Patterns()).Draw(rt, "pattern")
		trained, err := token.Trainer{VocabSize: rapid.IntRange(257, 500).Draw(rt, "vocab"), Pattern: pattern}.Train(context.Background(), slices.Values(docs))
		require.NoError(rt, err)
		b, err := token.ParseTiktoken(rankFile(trained), pattern, nil)
		require.NoError(rt, err)
		require.Equal(rt, trained.EndOfText(), b.EndOfText(), "behind the last rank, as in training")
		ids := map[string]int32{}
		for id := range b.VocabSize() {
			if t := b.Bytes(int32(id)); t != nil {
				ids[string(t)] = int32(id)
			}
		}
		s := rapid.OneOf(text(), rapid.StringOfN(rapid.RuneFrom([]rune("ab ")), 0, 120, -1)).Draw(rt, "text")
		var want []int32
		for p := range pattern.Split(s) {
			want = append(want, slowRanks(ids, p)...)
		}
		got, err := token.Encode(b, s)
		require.NoError(rt, err)
		require.Equal(rt, want, got)
		again, err := token.Parse(b.JSON())
		require.NoError(rt, err)
		require.Equal(rt, token.ID(b), token.ID(again))
		got, err = token.Encode(again, s)
		require.NoError(rt, err)
		require.Equal(rt, want, got)
	})
}

func TestRankFileSpecialTokens(t *testing.T) {
	ranks := rankFile(train(t, 280, sample))
	b, err := token.ParseTiktoken(ranks, token.CL100K, []token.Special{{Name: "<|end_of_text|>", ID: 300}, {Name: "<|x|>", ID: 290}})
	require.NoError(t, err)
	require.Equal(t, 301, b.VocabSize())
	require.EqualValues(t, 300, b.EndOfText(), "Llama 3's name for it")
	require.Empty(t, b.Bytes(295), "an id that stands for nothing")
	again, err := token.Parse(b.JSON())
	require.NoError(t, err)
	require.Equal(t, b.Special(), again.Special())
	require.Equal(t, 301, again.VocabSize())

	for want, special := range map[string][]token.Special{
		"taken by":    {{Name: "<|x|>", ID: 5}},
		"there twice": {{Name: "<|x|>", ID: 290}, {Name: "<|x|>", ID: 291}},
		"has id -1":   {{Name: "<|x|>", ID: -1}},
	} {
		_, err := token.ParseTiktoken(ranks, token.GPT2, special)
		require.ErrorIs(t, err, token.ErrInvalid)
		require.ErrorContains(t, err, want)
	}
}

func TestRankFileRefusesByLine(t *testing.T) {
	for bad, want := range map[string]string{
		"IQ== 0\nIg==\n":                           "line 2",
		"IQ== 0\nI! 1\n":                           "line 2",
		"IQ== 0\nIg== x\n":                         "line 2",
		"IQ== 0\nIg== -1\n":                        "line 2",
		"IQ== 0\nIg== 99999999999\n":               "line 2",
		"IQ== 0\nIg== 0\n":                         "rank 0 is there twice",
		"IQ== 0\nIQ== 1\n":                         `"!" is there twice`,
		"IQ== 0\n":                                 "is no token",
		strings.Repeat("AAAA", 200) + " 0\nIQ== 1": "line 1: a token of 600 bytes",
	} {
		_, err := token.ParseTiktoken([]byte(bad), token.GPT2, nil)
		require.ErrorIs(t, err, token.ErrInvalid)
		require.ErrorContains(t, err, want)
	}
	_, err := token.ParseTiktoken([]byte("IQ== 0\n"), "gpt9", nil)
	require.ErrorContains(t, err, "gpt2, cl100k, o200k, llama3")
	_, err = token.Parse([]byte("IQ== 0\n"))
	require.ErrorContains(t, err, "pattern must be named")
}

// gpt2Files writes a vocabulary as GPT-2's two files, by way of tokenizer.json.
func gpt2Files(t require.TestingT, b *token.BPE) (vocab, merges []byte) {
	var f struct {
		Model struct {
			Vocab  json.RawMessage
			Merges []string
		}
	}
	require.NoError(t, json.Unmarshal(b.JSON(), &f))
	return f.Model.Vocab, []byte("#version: 0.2\n" + strings.Join(f.Model.Merges, "\r\n") + "\n\n")
}

func TestGPT2Files(t *testing.T) {
	b := train(t, 320, sample)
	vocab, merges := gpt2Files(t, b)
	got, err := token.ParseGPT2(vocab, merges)
	require.NoError(t, err)
	require.Equal(t, token.ID(b), token.ID(got))
	for want, bad := range map[string][2]string{
		"vocab.json":                    {"[]", ""},
		"merges.txt, line 2":            {string(vocab), "#version: 0.2\nab\n"},
		"merges.txt, line 1":            {string(vocab), "a b c\n"},
		`merge 0: "zz"`:                 {string(vocab), "zz a\n"},
		"no special token":              {strings.Replace(string(vocab), token.EndOfText, "xyz", 1), string(merges)},
		"is given twice":                {strings.Replace(string(vocab), `"!":0`, `"!":1`, 1), string(merges)},
		`"Ġthe" is there twice`:         {strings.Replace(string(vocab), `{`, `{"Ġthe":900,`, 1), string(merges)},
		"not written in GPT-2's byte a": {strings.Replace(string(vocab), `{`, `{"日":900,`, 1), string(merges)},
	} {
		_, err := token.ParseGPT2([]byte(bad[0]), []byte(bad[1]))
		require.ErrorIs(t, err, token.ErrInvalid, want)
		require.ErrorContains(t, err, want)
	}
}

func FuzzParseTiktoken(f *testing.F) {
	f.Add(rankFile(train(f, 300, sample)), uint8(1), "It was the worst of times.")
	f.Add([]byte("IQ== 0\n"), uint8(0), "")
	f.Fuzz(func(t *testing.T, data []byte, pattern uint8, text string) {
		patterns := token.Patterns()
		b, err := token.ParseTiktoken(data, patterns[int(pattern)%len(patterns)], nil)
		if err != nil {
			require.ErrorIs(t, err, token.ErrInvalid)
			return
		}
		survives(t, b, text)
	})
}

func FuzzParseGPT2(f *testing.F) {
	vocab, merges := gpt2Files(f, train(f, 300, sample))
	f.Add(vocab, merges, "It was the worst of times.")
	f.Fuzz(func(t *testing.T, vocab, merges []byte, text string) {
		b, err := token.ParseGPT2(vocab, merges)
		if err != nil {
			require.ErrorIs(t, err, token.ErrInvalid)
			return
		}
		survives(t, b, text)
	})
}

// survives checks that text comes back, and that the tokenizer's file says all there is to say.
func survives(t *testing.T, b token.Tokenizer, text string) {
	ids, err := token.Encode(b, text)
	require.NoError(t, err)
	back, err := token.Decode(b, ids)
	require.NoError(t, err)
	require.Equal(t, text, string(back))
	again, err := token.Parse(b.JSON())
	require.NoError(t, err)
	require.Equal(t, string(b.JSON()), string(again.JSON()))
	same, err := token.Encode(again, text)
	require.NoError(t, err)
	require.Equal(t, ids, same)
}

// Llama 3's file: a Split before ByteLevel, and whole tokens before merges.
func TestReadsLlama3Shape(t *testing.T) {
	const split = `{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":%s},"behavior":"Isolated","invert":false},{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false}]}`
	var pre map[string]any
	regex, err := json.Marshal(published[token.Llama3])
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(fmt.Appendf(nil, split, regex), &pre))
	llama := func(m map[string]any) {
		m["pre_tokenizer"] = pre
		model(m)["ignore_merges"] = true
		vocab(m)["qzq"] = 300 // no merge makes it
		added(m)["content"] = "<|end_of_text|>"
		delete(vocab(m), token.EndOfText)
	}
	tok, err := token.Parse(edit(t, llama))
	require.NoError(t, err)
	b := tok.(*token.BPE)
	require.Equal(t, token.Llama3, b.Pattern())
	ids, err := token.Encode(b, "qzq qzq 1234")
	require.NoError(t, err)
	require.EqualValues(t, 300, ids[0])
	require.NotContains(t, ids[1:], int32(300), "only a whole piece is looked up")
	again, err := token.Parse(b.JSON())
	require.NoError(t, err)
	require.Equal(t, token.ID(b), token.ID(again))
	merged, err := token.Parse(edit(t, func(m map[string]any) { llama(m); model(m)["ignore_merges"] = false }))
	require.NoError(t, err)
	ids, err = token.Encode(merged, "qzq")
	require.NoError(t, err)
	require.Equal(t, "qzq", write(merged, ids))
	require.NotContains(t, ids, int32(300), "no merge makes it")

	for want, change := range map[string]func(map[string]any){
		"unknown Split pattern": func(s map[string]any) { s["pattern"] = map[string]any{"Regex": "\\w+"} },
		"by a fixed string":     func(s map[string]any) { s["pattern"] = map[string]any{"String": " "} },
		"behavior":              func(s map[string]any) { s["behavior"] = "Contiguous" },
		`"Digits" before`:       func(s map[string]any) { s["type"] = "Digits" },
	} {
		_, err := token.Parse(edit(t, func(m map[string]any) {
			require.NoError(t, json.Unmarshal(fmt.Appendf(nil, split, regex), &pre))
			llama(m)
			change(pre["pretokenizers"].([]any)[0].(map[string]any))
		}))
		require.ErrorIs(t, err, token.ErrInvalid)
		require.ErrorContains(t, err, want)
	}
}
