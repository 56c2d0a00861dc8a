package words_test

import (
	"slices"
	"strings"
	"testing"

	"millrace/curator/words"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func split(t require.TestingT, name, text string) (list []string) {
	s, err := words.ByName(name)
	require.NoError(t, err)
	for i := 0; ; {
		start, end := s.Next(text, i)
		if start == len(text) {
			require.EqualValues(t, len(list), s.Count(text))
			for k, w := range s.Append(nil, text) {
				require.Equal(t, list[k], text[w.Start:w.End])
			}
			require.Len(t, s.Append(nil, text), len(list))
			return list
		}
		require.Greater(t, end, start)
		list = append(list, text[start:end])
		i = end
	}
}

func TestSimple(t *testing.T) {
	for text, want := range map[string][]string{
		"The mill's wheel.":  {"The", "mill's", "wheel", "."},
		"l’eau 'tis dogs'":   {"l’eau", "'", "tis", "dogs", "'"},
		"3.14, 1,000. x.y":   {"3.14", ",", "1,000", ".", "x", ".", "y"},
		"wait... -- (a)":     {"wait", "...", "--", "(", "a", ")"},
		"snake_case a1b2":    {"snake", "_", "case", "a1b2"},
		"日本語のテスト":            {"日", "本", "語", "の", "テスト"},
		"e\u0301tude\u00a0x": {"e\u0301tude", "x"},
		"१२ हिन्दी।":         {"१२", "हिन्दी", "।"},
		"😀😀 ok":              {"😀😀", "ok"},
		"it''s":              {"it", "''", "s"},
		"":                   nil, " \n\x1c\u3000": nil,
		"a\xff\xffb": {"a", "\xff\xff", "b"},
	} {
		require.Equal(t, want, split(t, words.Simple, text), text)
	}
	_, err := words.ByName("spacy")
	require.ErrorContains(t, err, `"spacy"`)
}

func TestWordsCoverEverythingButSpace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringOf(rapid.RuneFrom([]rune("aé1.,'’ \n日の…")))).Draw(t, "text")
		bare := strings.Join(strings.FieldsFunc(text, words.IsSpace), "")
		require.Equal(t, bare, strings.Join(split(t, words.Simple, text), ""))
		require.Equal(t, strings.FieldsFunc(text, words.IsSpace), append([]string{}, split(t, words.Whitespace, text)...))
		require.Equal(t, strings.TrimFunc(text, words.IsSpace), words.Trim(text))
	})
}

func TestLines(t *testing.T) {
	var got []string
	for rest := "a\r\nb\rc\n\nd\ve\ff\x1cg\u0085h\u2028i\u2029\u00e9â"; rest != ""; {
		var line string
		line, rest = words.Line(rest)
		got = append(got, line)
	}
	require.Equal(t, []string{"a", "b", "c", "", "d", "e", "f", "g", "h", "i", "éâ"}, got)
}

func TestSentences(t *testing.T) {
	for line, want := range map[string]int64{
		"": 0, "  ": 0, "no end": 1, "One. Two! Three?": 3, "One. and": 2, "3.14 is pi": 1, "He said \"no.\" Then (yes?) left...": 3,
		"本当。そうです。": 2, "wait... what?!": 2, "...": 1, "a.b.c": 1, "नमस्ते। ठीक": 2, "x… y": 2,
	} {
		require.Equal(t, want, words.Sentences(line), line)
	}
	var got []string
	text := " One.\nTwo (yes!)  three\n "
	for i := 0; ; {
		end := words.SentenceEnd(text, i)
		if end == i {
			break
		}
		got = append(got, text[i:end])
		i = end
	}
	require.Equal(t, []string{" One.", "\nTwo (yes!)", "  three\n "}, got)
}

// literalSentences is what Sentences says, rune by rune.
func literalSentences(line string) (n int64) {
	mark := func(r rune) bool { return r == '…' || words.IsTerminal(r) }
	text := []rune(line)
	open := 0
	for i := 0; i < len(text); i++ {
		if !mark(text[i]) {
			continue
		}
		end := i + 1
		for end < len(text) && (mark(text[end]) || strings.ContainsRune("\"')]’”»」』）", text[end])) {
			end++
		}
		wide := slices.ContainsFunc(text[i:end], func(r rune) bool { return r >= 0x3000 })
		if wide || end == len(text) || words.IsSpace(text[end]) {
			n++
			open = end
		}
		i = end - 1
	}
	if strings.TrimFunc(string(text[open:]), words.IsSpace) != "" {
		n++
	}
	return n
}

func TestSentencesAreTheDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		line := rapid.StringOf(rapid.RuneFrom([]rune("ab.!? \t\"')]’”»」）。！…।\u00a0\u3000é日"))).Draw(t, "line")
		require.Equal(t, literalSentences(line), words.Sentences(line), "%q", line)
	})
}

func TestTerminalMarks(t *testing.T) {
	n := 0
	for r := rune(0); r <= 0x10ffff; r++ {
		if words.IsTerminal(r) {
			n++
		}
	}
	require.Equal(t, 159, n, "another Unicode version has other marks: give the rule a new name")
	require.True(t, slices.ContainsFunc([]rune("។"), words.IsTerminal))
	require.False(t, words.EndsTerminal(""))
	require.True(t, words.EndsTerminal("x!"))
}
