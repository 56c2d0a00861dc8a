package dedup_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"millrace/curator/dedup"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// theirs is what datatrove 0.10.1 (numpy 2.4.6, words divided by white space) makes of some texts.
type theirs struct {
	Texts []struct {
		Text      string
		Simple    string
		Signature []json.Number
	}
}

func datatrove(t *testing.T) theirs {
	t.Helper()
	data, err := os.ReadFile("testdata/datatrove.json")
	require.NoError(t, err)
	var out theirs
	require.NoError(t, json.Unmarshal(data, &out))
	require.NotEmpty(t, out.Texts)
	return out
}

func TestSignaturesAreDatatroves(t *testing.T) {
	s := dedup.NewSigner()
	signed := 0
	for _, want := range datatrove(t).Texts {
		require.Equal(t, want.Simple, string(dedup.Simplify(nil, want.Text)), "%.200q", want.Text)
		var sig dedup.Signature
		ok := s.Sign(&sig, want.Text)
		require.Equal(t, len(want.Signature) > 0, ok, "%.200q", want.Text)
		if !ok {
			continue
		}
		signed++
		for i, h := range sig {
			require.Equal(t, want.Signature[i].String(), fmt.Sprint(h), "hash %d of %.200q", i, want.Text)
		}
	}
	require.Greater(t, signed, 15)
}

func TestUndividedScriptsHaveWords(t *testing.T) {
	for text, want := range map[string]string{
		"日本語の、テキスト。":    "日 本 語 の テ キ ス ト",
		"Go言語 v1.26が出た": "go 言 語 v0 か 出 た", // NFD, without the mark of が
		"ภาษาไทย":       "ภ า ษ า ไ ท ย",
		"中文abc中文":       "中 文 abc 中 文",
	} {
		require.Equal(t, want, string(dedup.Simplify(nil, text)))
	}
	var sig dedup.Signature
	require.True(t, dedup.NewSigner().Sign(&sig, "我们都喜欢读书"))
}

func TestSimplifyIsStableAndClean(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringOf(rapid.RuneFrom([]rune("aBÉΣ19.,،\n\t \u00a0!é\u0301日ガ٣ภ\u0e31")))).Draw(t, "text")
		got := string(dedup.Simplify([]byte("x"), text))
		require.True(t, strings.HasPrefix(got, "x"))
		got = got[1:]
		require.True(t, utf8.ValidString(got))
		require.Equal(t, strings.Join(strings.Split(got, " "), " "), got)
		require.Equal(t, got, strings.TrimSpace(got))
		require.NotContains(t, got, "  ")
		require.NotContains(t, got, ".")
		require.Equal(t, got, string(dedup.Simplify(nil, "\n"+text+" !")), "what surrounds a text changes nothing")
	})
}

func TestShingles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(rapid.StringMatching(`[a-c]{1,3}`), 0, 12).Draw(t, "words")
		n := rapid.IntRange(1, 6).Draw(t, "n")
		var want, got []string
		for i := 0; i+n <= len(words); i++ {
			want = append(want, strings.Join(words[i:i+n], " "))
		}
		var room []int
		for s := range dedup.Shingles([]byte(strings.Join(words, " ")), n, &room) {
			got = append(got, string(s))
		}
		require.Equal(t, want, got)
	})
}

// A text longer than what is hashed at once has the signature of the union of its parts' shingles.
func TestSignatureIsTheLeast(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	words := make([]string, 9000)
	for i := range words {
		words[i] = word(random)
	}
	s := dedup.NewSigner()
	var all, head, tail dedup.Signature
	require.True(t, s.Sign(&all, strings.Join(words, " ")))
	require.True(t, s.Sign(&head, strings.Join(words[:3000], " ")))
	require.True(t, s.Sign(&tail, strings.Join(words[2996:], " ")))
	for i := range all {
		require.Equal(t, min(head[i], tail[i]), all[i])
	}
}

// word is twelve letters that are hardly drawn again; digits would all be simplified to 0.
func word(random *rand.Rand) string {
	var w [12]byte
	for i := range w {
		w[i] = byte('a' + random.IntN(26))
	}
	return string(w[:])
}

// pair makes two texts whose sets of shingles have the similarity s, about: they share their first words.
func pair(random *rand.Rand, s float64) (a, b string, similarity float64) {
	const shingles = 400
	// with c shared shingles of n each: s = c/(2n-c)
	shared := int(2 * shingles * s / (1 + s))
	var head, x, y []string
	for range shared + dedup.ShingleWords - 1 {
		head = append(head, word(random))
	}
	for range shingles - shared {
		x, y = append(x, word(random)), append(y, word(random))
	}
	return strings.Join(slices.Concat(head, x), " "), strings.Join(slices.Concat(head, y), " "), float64(shared) / float64(2*shingles-shared)
}

// The share of pairs that have a band in common is 1-(1-s⁸)¹⁴, and the estimate of the similarity is right on average.
func TestPairsAreFoundAsTheoryHasIt(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	s := dedup.NewSigner()
	for _, want := range []float64{0.3, 0.5, 0.65, 0.72, 0.8, 0.9, 1} {
		const pairs = 400
		found, sum := 0, 0.0
		var theory, exact float64
		for range pairs {
			a, b, similarity := pair(random, want)
			exact = similarity
			theory = foundWith(similarity)
			var x, y dedup.Signature
			require.True(t, s.Sign(&x, a))
			require.True(t, s.Sign(&y, b))
			keys, others := x.BandKeys(), y.BandKeys()
			for i := range keys {
				if keys[i] == others[i] {
					found++
					break
				}
			}
			p, q := x.Sketch(), y.Sketch()
			sum += p.Similarity(&q)
		}
		require.InDelta(t, theory*pairs, found, 5*deviation(theory, pairs)+2, "at %v", exact)
		require.InDelta(t, exact, sum/pairs, 0.02)
	}
}
