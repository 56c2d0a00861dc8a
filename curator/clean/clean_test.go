package clean_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"millrace/curator/clean"

	"github.com/stretchr/testify/require"
)

func TestText(t *testing.T) {
	for raw, c := range map[string]struct {
		want  string
		kinds clean.Counts
	}{
		"plain é 日本\ttab\n":                     {"plain é 日本\ttab\n", clean.Counts{}},
		"\ufeffmarked":                          {"marked", clean.Counts{clean.ByteOrderMarks: 1}},
		"\xff\xfea\x00\xe9\x00\x3d\xd8\x00\xde": {"aé😀", clean.Counts{clean.UTF16: 1}},
		"\xfe\xff\x00a\x00\r\x00\n\x00b":        {"a\nb", clean.Counts{clean.UTF16: 1, clean.LineEndings: 1}},
		"\xff\xfea\x00b":                        {"a\ufffd", clean.Counts{clean.UTF16: 1}},
		"caf\xe9 \x80 \x93x\x94":                {"café € “x”", clean.Counts{clean.Latin1: 1}},
		"日本語 is \xff damaged":                   {"日本語 is \xff damaged", clean.Counts{}},
		"a\r\nb\rc\u0085d\u2028e":               {"a\nb\nc\nd\ne", clean.Counts{clean.LineEndings: 4}},
		"a\x00b\x1b[0m\x7fc\u009fd\ufeffe":      {"ab[0mcde", clean.Counts{clean.Controls: 5}},
		"e\u0301 and e\u0301":                   {"é and é", clean.Counts{clean.NFC: 1}},
		"":                                      {"", clean.Counts{}},
	} {
		var counts clean.Counts
		got := clean.Default().Text(raw, &counts)
		require.Equal(t, c.want, got, "%q", raw)
		require.Equal(t, c.kinds, counts, "%q", raw)
		counts = clean.Counts{}
		require.Equal(t, raw, clean.Options{Encoding: clean.UTF8}.Text(raw, &counts), "nothing is on")
		require.Zero(t, counts)
	}
}

func TestOptions(t *testing.T) {
	var o clean.Options
	require.NoError(t, json.Unmarshal([]byte(`{"nfc":false}`), &o))
	require.Equal(t, clean.Options{Encoding: clean.Detect, LineEndings: true, Controls: true}, o)
	require.ErrorContains(t, json.Unmarshal([]byte(`{"nfd":true}`), &o), `"nfd"`)
	require.ErrorContains(t, clean.Options{Encoding: "ebcdic"}.Check(), "ebcdic")
	require.NoError(t, clean.Default().Check())
}

func FuzzText(f *testing.F) {
	f.Add("\xff\xfea\x00")
	f.Add("caf\xe9\r\n\u2028\x00e\u0301")
	f.Fuzz(func(t *testing.T, raw string) {
		var counts clean.Counts
		text := clean.Default().Text(raw, &counts)
		if counts[clean.Latin1]+counts[clean.UTF16] > 0 {
			require.True(t, utf8.ValidString(text))
		}
		require.NotContains(t, text, "\r")
		if utf8.ValidString(text) && !strings.HasPrefix(text, "\ufeff") {
			var again clean.Counts
			require.Equal(t, text, clean.Default().Text(text, &again), "cleaning twice changes nothing")
		}
	})
}
