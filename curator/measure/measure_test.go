package measure_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"millrace/curator/measure"
	"millrace/curator/words"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func options(t require.TestingT, splitter string) measure.Options {
	s, err := words.ByName(splitter)
	require.NoError(t, err)
	return measure.Options{Words: s, StopWords: []string{"the", "be", "to", "of", "and", "that", "have", "with"}, ShortLineChars: 30, ParagraphChars: 200,
		C4: measure.C4{Citations: true, JavaScript: true, Policy: true, MaxWordChars: 1000, MinLineWords: 3}, Rewrite: true}
}

// literal measures as the definitions read, slowly.
func literal(text string, list []string) (v measure.Values) {
	chars := func(s string) int64 { return int64(utf8.RuneCountInString(s)) }
	v[measure.Chars] = chars(text)
	v[measure.Words] = int64(len(list))
	stop := map[string]bool{}
	for _, w := range list {
		if strings.ContainsFunc(w, unicode.IsLetter) {
			v[measure.AlphaWords]++
		}
		if slices.Contains([]string{"the", "be", "to", "of", "and", "that", "have", "with"}, w) {
			stop[w] = true
		}
	}
	v[measure.StopWords] = int64(len(stop))
	duplicates := func(list []string) (n, size int64) {
		seen := map[string]bool{}
		for _, s := range list {
			if seen[s] {
				n++
				size += chars(s)
			}
			seen[s] = true
		}
		return n, size
	}
	paragraphs := regexp.MustCompile(`\n{2,}`).Split(strings.TrimFunc(text, words.IsSpace), -1)
	v[measure.Paragraphs] = int64(len(paragraphs))
	v[measure.DupParagraphs], v[measure.DupParagraphChars] = duplicates(paragraphs)
	lines := regexp.MustCompile(`\n+`).Split(text, -1)
	v[measure.TextLines] = int64(len(lines))
	v[measure.DupLines], v[measure.DupLineChars] = duplicates(lines)
	for n := 2; n <= 4; n++ {
		counts := map[string]int64{}
		for i := 0; i+n <= len(list); i++ {
			counts[strings.Join(list[i:i+n], " ")]++
		}
		most := int64(0)
		for i := 0; i+n <= len(list); i++ {
			gram := strings.Join(list[i:i+n], " ")
			if counts[gram] > most {
				most = counts[gram]
				v[measure.Top2GramChars+measure.Value(n-2)] = most * chars(gram)
			}
		}
	}
	for n := 5; n <= 10; n++ {
		seen := map[string]bool{}
		for i := 0; i+n <= len(list); {
			gram := strings.Join(list[i:i+n], " ")
			if seen[gram] {
				v[measure.Dup5GramChars+measure.Value(n-5)] += chars(gram) - int64(n-1)
				i += n
				continue
			}
			seen[gram] = true
			i++
		}
	}
	return v
}

func split(s words.Splitter, text string) (list []string) {
	for i := 0; ; {
		start, end := s.Next(text, i)
		if start == len(text) {
			return list
		}
		list = append(list, text[start:end])
		i = end
	}
}

func TestIsTheLiteralDefinition(t *testing.T) {
	for _, splitter := range []string{words.Simple, words.Whitespace} {
		m := measure.New(options(t, splitter))
		rapid.Check(t, func(t *rapid.T) {
			piece := rapid.OneOf(rapid.SampledFrom([]string{"a", "b", "the", "mill turns", ".", "\n", "\n\n", " ", "日本", "é", "of", "\u00a0", "\u2028", "\x1c", "-", "[1]", "[edit]"}), rapid.StringN(0, 4, -1))
			text := strings.Join(rapid.SliceOfN(piece, 0, 120).Draw(t, "pieces"), rapid.SampledFrom([]string{" ", "", "\n"}).Draw(t, "between"))
			s, err := words.ByName(splitter)
			require.NoError(t, err)
			want := literal(text, split(s, text))
			got, kept := m.Measure(text)
			require.Equal(t, s.Count(kept), got[measure.KeptWords], "%q of %q", kept, text)
			for _, v := range []measure.Value{measure.Chars, measure.Words, measure.AlphaWords, measure.StopWords, measure.Paragraphs, measure.DupParagraphs, measure.DupParagraphChars,
				measure.TextLines, measure.DupLines, measure.DupLineChars} {
				require.Equal(t, want[v], got[v], "%s of %q", v, text)
			}
			for v := measure.Top2GramChars; v <= measure.Dup10GramChars; v++ {
				require.Equal(t, want[v], got[v], "%s of %q", v, text)
			}
		})
	}
}

func TestValues(t *testing.T) {
	text := "# The mill's wheel turned, and turned...\n\n- one of it\n  • two of it …\r\nVisit [12] our [edit]page [citation needed]now. Is it 3.14? Yes!\n" +
		"short line\nWe use JavaScript here now.\nThis site uses Cookies for all.\n" + strings.Repeat("x", 1001) + " a b c\n"
	m := measure.New(options(t, words.Simple))
	v, kept := m.Measure(text)
	require.Equal(t, "# The mill's wheel turned, and turned...\n- one of it\n• two of it …\nVisit  our page now. Is it 3.14? Yes!", kept)
	for at, want := range map[measure.Value]int64{
		measure.Hashes: 1, measure.Ellipses: 2, measure.Lines: 9, measure.BulletLines: 2, measure.EllipsisLines: 2, measure.StopWords: 2,
		measure.C4Sentences: 6, measure.C4LoremLine: 0, measure.C4CurlyLine: 0, measure.KeptNewlines: 3, measure.KeptLines: 4, measure.TerminalLines: 2,
		measure.ShortLines: 2, measure.DupKeptLineChars: 0, measure.LongParagraphs: 0,
	} {
		require.Equal(t, want, v[at], at)
	}
	v, kept = m.Measure("one two three four\nthe javascript { line is left out\nthen f() { x\nand Lorem Ipsum came after\n")
	require.EqualValues(t, 3, v[measure.C4CurlyLine])
	require.EqualValues(t, 4, v[measure.C4LoremLine])
	require.Contains(t, kept, "Lorem")

	opt := options(t, words.Simple)
	opt.C4.Terminal = true
	_, kept = measure.New(opt).Measure("He said \"a b c\"\nno end mark here\nand so on and on...\nis it so?\nthe end is here…\nlike this [1]\nlike that. [1]\nand then that.[1]")
	require.Equal(t, "He said \"a b c\"\nis it so?\nand then that.", kept, "a citation leaves the space before it, as in the reference")
	opt.Rewrite = false
	v, kept = measure.New(opt).Measure(text)
	require.Equal(t, text, kept)
	require.Equal(t, v[measure.Words], v[measure.KeptWords])
}

func TestCitationsMayHideAPhrase(t *testing.T) {
	_, kept := measure.New(options(t, words.Simple)).Measure("one java[1]script line too many\ntwo three four")
	require.Equal(t, "two three four", kept)
}

func TestBadWords(t *testing.T) {
	opt := options(t, words.Simple)
	opt.Rewrite = false // short lines stay
	opt.BadWords = []string{"darn", "big bad", "$h", "Ü"}
	m := measure.New(opt)
	for text, want := range map[string]int64{
		"a darn thing": 1, "Darn! darn": 2, "darning undarn darn_ darn1": 0, "big  bad": 0, "the BIG BAD wolf": 1, "big badger": 0, "oh $h it": 1, "a$h": 0, "ü": 1, "über": 0, "": 0,
	} {
		v, _ := m.Measure(text)
		require.Equal(t, want, v[measure.BadWords], text)
	}
}

func TestNamesAreDistinct(t *testing.T) {
	seen := map[string]bool{}
	for v := range measure.Count {
		require.False(t, seen[v.String()] || v.String() == "", v)
		seen[v.String()] = true
	}
	require.Equal(t, "unknown", measure.Count.String())
}
