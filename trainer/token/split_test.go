package token_test

import (
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"millrace/trainer/token"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestSplitHardCases(t *testing.T) {
	for text, want := range map[string][]string{
		"":                          nil,
		"Hello world":               {"Hello", " world"},
		"Hello  world":              {"Hello", " ", " world"},
		"Hello \n world ":           {"Hello", " \n", " world", " "},
		"a\nb":                      {"a", "\n", "b"},
		"a\n\nb":                    {"a", "\n", "\n", "b"},
		"a\n b":                     {"a", "\n", " b"},
		"a \t":                      {"a", " \t"},
		"   ":                       {"   "},
		"don't you're I'll":         {"don", "'t", " you", "'re", " I", "'ll"},
		"'start'd'":                 {"'s", "tart", "'d", "'"},
		"DON'T":                     {"DON", "'", "T"},
		" 's":                       {" '", "s"},
		"''s":                       {"''", "s"},
		"'l 'v 'r":                  {"'", "l", " '", "v", " '", "r"},
		"it’s":                      {"it", "’", "s"},
		"abc123def":                 {"abc", "123", "def"},
		"x½²Ⅷ٣":                     {"x", "½²Ⅷ٣"},
		" 1 2":                      {" 1", " 2"},
		"1,000.5 $":                 {"1", ",", "000", ".", "5", " $"},
		"日本語 中文":                    {"日本語", " 中文"},
		"cafe\u0301s":               {"cafe", "\u0301", "s"}, // a combining mark is neither letter nor number
		"a\u00a0b":                  {"a", "\u00a0", "b"},    // only the plain space joins a word
		"a \u00a0b":                 {"a", " ", "\u00a0", "b"},
		"a\u00a0 b":                 {"a", "\u00a0", " b"},
		"a\u3000\u3000b":            {"a", "\u3000", "\u3000", "b"},
		"a\u200bb":                  {"a", "\u200b", "b"}, // zero-width space is no White_Space
		"a\x1cb":                    {"a", "\x1c", "b"},
		"a\x85b":                    {"a", "\x85", "b"}, // not UTF-8
		"a\xff\xfe b":               {"a", "\xff\xfe", " b"},
		"\r\n\r\n":                  {"\r\n\r\n"},
		"x = {\n    'a': 1,\n}\n":   {"x", " =", " {", "\n   ", " '", "a", "':", " 1", ",", "\n", "}", "\n"},
		"<|endoftext|>":             {"<|", "endoftext", "|>"},
		"👩‍👩‍👧 ok":                  {"👩‍👩‍👧", " ok"},
		"trailing newline\n":        {"trailing", " newline", "\n"},
		"tab\tx":                    {"tab", "\t", "x"},
		"two  'll":                  {"two", " ", " '", "ll"},
		"end of text 's t's 'd 've": {"end", " of", " text", " '", "s", " t", "'s", " '", "d", " '", "ve"},
	} {
		require.Equal(t, want, slices.Collect(token.Split(text)), "%q", text)
	}
}

// text draws strings rich in what the pattern cares about.
func text() *rapid.Generator[string] {
	part := rapid.OneOf(
		rapid.SampledFrom([]string{" ", "  ", "\n", "\t", "\r\n", "\u00a0", "\u2003", "'s", "'ll", "'", "'r", "'re", "a", "B", "é", "日",
			"9", "½", ".", "…", "\u0301", "\u200b", "\x1c", "\xff", "\xe2\x80", "the", " the", "<|endoftext|>"}),
		rapid.StringN(0, 6, -1),
	)
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(part, 0, 30).Draw(t, "parts"), "")
	})
}

func TestSplitIsGPT2sPattern(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := text().Draw(t, "text")
		pieces := slices.Collect(token.Split(s))
		require.Equal(t, s, strings.Join(pieces, ""))
		require.Equal(t, backtracking(s), pieces)
	})
}

// backtracking reads the pattern literally, alternative by alternative.
func backtracking(s string) []string {
	type char struct {
		kind byte // 's'pace, 'l'etter, 'n'umber, 'o'ther
		text string
	}
	var chars []char
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		c := char{'o', s[:size]}
		switch {
		case unicode.In(r, unicode.White_Space):
			c.kind = 's'
		case unicode.In(r, unicode.L):
			c.kind = 'l'
		case unicode.In(r, unicode.N):
			c.kind = 'n'
		}
		chars = append(chars, c)
		s = s[size:]
	}
	match := func(i int) int {
		for _, suffix := range []string{"s", "t", "re", "ve", "m", "ll", "d"} {
			end := i
			for _, want := range "'" + suffix {
				if end < len(chars) && chars[end].text == string(want) {
					end++
				} else {
					end = -1
					break
				}
			}
			if end > 0 {
				return end
			}
		}
		for _, kind := range []byte("lno") {
			for _, start := range []int{i + 1, i} { // " ?" is greedy: with the space first
				if start == i+1 && chars[i].text != " " {
					continue
				}
				end := start
				for end < len(chars) && chars[end].kind == kind {
					end++
				}
				if end > start {
					return end
				}
			}
		}
		end := i
		for end < len(chars) && chars[end].kind == 's' {
			end++
		}
		for j := end; j > i; j-- { // \s+(?!\S) gives back characters until none but a space, or nothing, follows
			if j == len(chars) || chars[j].kind == 's' {
				return j
			}
		}
		return end
	}
	var pieces []string
	for i := 0; i < len(chars); {
		end := match(i)
		var b strings.Builder
		for _, c := range chars[i:end] {
			b.WriteString(c.text)
		}
		pieces = append(pieces, b.String())
		i = end
	}
	return pieces
}

func TestChunksKeepPieces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := text().Draw(t, "text")
		size := rapid.IntRange(-1, 40).Draw(t, "size")
		var joined string
		var pieces []string
		for chunk := range token.Chunks(s, size) {
			require.NotEmpty(t, chunk)
			joined += chunk
			pieces = slices.AppendSeq(pieces, token.Split(chunk))
		}
		require.Equal(t, s, joined)
		require.Equal(t, slices.Collect(token.Split(s)), pieces)
	})
}

func TestChunksAreSmall(t *testing.T) {
	s := strings.Repeat("some words, and more. ", 1000)
	n := 0
	for chunk := range token.Chunks(s, 100) {
		require.Less(t, len(chunk), 120)
		n++
	}
	require.Greater(t, n, 150)
}
