package token_test

import (
	"slices"
	"strings"
	"testing"
	"unicode"

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
			"9", "½", ".", "…", "\u0301", "\u200b", "\x1c", "\xff", "/", "'S", "'LL", "'ſ", "ǅ", "ʰ", "É", "12", "\xe2\x80", "the", " the", "<|endoftext|>"}),
		rapid.StringN(0, 6, -1),
	)
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(part, 0, 30).Draw(t, "parts"), "")
	})
}

func TestSplitIsThePattern(t *testing.T) {
	for _, p := range token.Patterns() {
		t.Run(string(p), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				s := text().Draw(t, "text")
				pieces := slices.Collect(p.Split(s))
				require.Equal(t, s, strings.Join(pieces, ""))
				require.Equal(t, backtracking(published[p], s), pieces)
			})
		})
	}
}

// What Hugging Face files say is the same pattern in another spelling, where $ is written \z.
func TestPatternsOfFilesAreThePublishedOnes(t *testing.T) {
	for _, p := range token.Patterns() {
		rapid.Check(t, func(t *rapid.T) {
			s := text().Draw(t, "text")
			require.Equal(t, backtracking(published[p], s), backtracking(strings.ReplaceAll(p.Regex(), `\z`, "$"), s))
		})
	}
}

// TestSplitOfEveryShortString goes through every string of up to four characters of the kinds that decide.
func TestSplitOfEveryShortString(t *testing.T) {
	alphabet := []string{"a", "B", "日", "\u0301", "1", " ", "\n", "\t", "'", "s", "/", "."}
	length := 4
	if testing.Short() {
		length = 3
	}
	var all []string
	for from, n := 0, 0; n < length; n++ {
		to := len(all)
		if n == 0 {
			all, to = append(all, ""), 1
		}
		for _, s := range all[from:to] {
			for _, c := range alphabet {
				all = append(all, s+c)
			}
		}
		from = to
	}
	for _, p := range token.Patterns() {
		oracle := compile(published[p])
		for _, s := range all {
			if want, got := cut(oracle, s), slices.Collect(p.Split(s)); !slices.Equal(want, got) {
				t.Fatalf("%s %q: got %q, want %q", p, s, got, want)
			}
		}
	}
}

func sameNames(a, b []string) bool {
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

func TestClassesAreUnicode(t *testing.T) {
	younger := 0
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if !assigned(r) {
			younger += len(token.ClassNames(r))
			continue
		}
		var want []string
		for c, named := range map[string]string{"L": "L", "N": "N", "Lu": "Lu", "Lt": "Lu", "Ll": "Ll", "Lm": "Lo", "Lo": "Lo", "M": "M"} {
			if unicode.Is(unicode.Categories[c], r) { // the patterns tell neither Lu and Lt apart, nor Lm and Lo
				want = append(want, named)
			}
		}
		if unicode.IsSpace(r) {
			want = append(want, "s")
		}
		if got := token.ClassNames(r); !sameNames(want, got) {
			t.Fatalf("%U: got %q, want %q", r, got, want)
		}
	}
	require.Less(t, younger, 20_000)
}

func TestChunksKeepPieces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := text().Draw(t, "text")
		size := rapid.IntRange(-1, 40).Draw(t, "size")
		p := rapid.SampledFrom(token.Patterns()).Draw(t, "pattern")
		var joined string
		var pieces []string
		for chunk := range token.Chunks(s, size) {
			require.NotEmpty(t, chunk)
			joined += chunk
			pieces = slices.AppendSeq(pieces, p.Split(chunk))
		}
		require.Equal(t, s, joined)
		require.Equal(t, slices.Collect(p.Split(s)), pieces)
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
