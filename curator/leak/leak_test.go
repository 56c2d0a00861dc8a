package leak_test

import (
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"millrace/curator/corpus"
	"millrace/curator/dedup"
	"millrace/curator/leak"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// tasks are texts t0, t1, … of an evaluation.
func tasks(texts ...string) iter.Seq2[leak.Text, error] {
	return func(yield func(leak.Text, error) bool) {
		for i, text := range texts {
			if !yield(leak.Text{Source: "suite", Document: fmt.Sprint("t", i), Text: text}, nil) {
				return
			}
		}
	}
}

func TestNamesTheTaskAndTheNGram(t *testing.T) {
	x, err := leak.NewIndex(5, tasks(
		"What is the capital of France? Paris, of course.",
		"too short for it",
		"The capital of France, as everybody knows, is Paris.",
	))
	require.NoError(t, err)
	require.EqualValues(t, 2, x.Texts())
	require.EqualValues(t, 1, x.Short())
	require.EqualValues(t, 5+5, x.NGrams())
	judge := x.Judge()
	for text, want := range map[string]*corpus.Why{
		"He asked: WHAT IS\nthe capital of... Germany":                            {Value: 1, Repeats: &corpus.Repeated{Source: "suite", Document: "t0", Text: "what is the capital of"}},
		"the capital of france as everybody knows, what is the capital of france": {Value: 5, Repeats: &corpus.Repeated{Source: "suite", Document: "t2", Text: "the capital of france as"}},
		"is the capital of":                       nil,
		"What is the Capital; is that of France?": nil,
		"": nil,
	} {
		why, keep := judge(corpus.New(0, "d", text))
		require.Equal(t, want == nil, keep, text)
		if want != nil {
			want.Reason = leak.Contaminated
			require.Equal(t, *want, why, text)
		}
	}
}

// The obvious answer: all n-grams as strings.
func TestFindsWhatIsThere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 4).Draw(t, "n")
		words := rapid.Custom(func(t *rapid.T) string {
			return strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "d", "É", "7"}), 0, 12).Draw(t, "words"), " ")
		})
		texts := rapid.SliceOfN(words, 0, 6).Draw(t, "texts")
		document := words.Draw(t, "document")
		x, err := leak.NewIndex(n, tasks(texts...))
		require.NoError(t, err)
		grams := func(text string) (out []string) {
			f := strings.Fields(string(dedup.Simplify(nil, text)))
			for i := 0; i+n <= len(f); i++ {
				out = append(out, strings.Join(f[i:i+n], " "))
			}
			return out
		}
		owner := map[string]string{}
		short := int64(0)
		for i, text := range texts {
			if len(grams(text)) == 0 {
				short++
			}
			for _, g := range grams(text) {
				if owner[g] == "" {
					owner[g] = fmt.Sprint("t", i)
				}
			}
		}
		require.EqualValues(t, len(owner), x.NGrams())
		require.Equal(t, short, x.Short())
		var want corpus.Why
		for _, g := range grams(document) {
			if owner[g] == "" {
				continue
			}
			if want.Repeats == nil {
				want = corpus.Why{Reason: leak.Contaminated, Repeats: &corpus.Repeated{Source: "suite", Document: owner[g], Text: g}}
			}
			want.Value++
		}
		why, keep := x.Judge()(corpus.New(0, "d", document))
		require.Equal(t, want, why)
		require.Equal(t, want.Repeats == nil, keep)
	})
}

func TestErrorsOfTextsEndIt(t *testing.T) {
	broken := errors.New("broken")
	_, err := leak.NewIndex(3, func(yield func(leak.Text, error) bool) {
		if yield(leak.Text{Text: "a b c d"}, nil) {
			yield(leak.Text{}, broken)
		}
	})
	require.ErrorIs(t, err, broken)
}

func TestWhatIsShownEnds(t *testing.T) {
	long := strings.Repeat("é", 400)
	x, err := leak.NewIndex(2, tasks("word "+strings.Repeat("ñ̃", 400), long+" "+long))
	require.NoError(t, err)
	why, keep := x.Judge()(corpus.New(0, "d", long+"\n"+long))
	require.False(t, keep)
	require.Equal(t, strings.Repeat("e", 300)+"…", why.Repeats.Text)
	why, keep = x.Judge()(corpus.New(0, "d", "word "+strings.Repeat("ñ", 400)))
	require.False(t, keep)
	require.LessOrEqual(t, len(why.Repeats.Text), 303)
}

func TestJudgesAtOnce(t *testing.T) {
	x, err := leak.NewIndex(3, tasks("one two three four"))
	require.NoError(t, err)
	judge := x.Judge()
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for range 200 {
				text := strings.Repeat("filler words here ", i+1) + "two three four"
				if why, keep := judge(corpus.New(0, "d", text)); keep || why.Repeats.Text != "two three four" {
					t.Errorf("worker %d: %+v", i, why)
				}
				if _, keep := judge(corpus.New(0, "d", "two four three")); !keep {
					t.Errorf("worker %d: clean text", i)
				}
			}
		})
	}
	wg.Wait()
}

// BenchmarkJudge is one core, against evaluations of 100,000 n-grams.
func BenchmarkJudge(b *testing.B) {
	random := rand.New(rand.NewPCG(1, 1))
	prose := func(words int) string {
		var s strings.Builder
		for range words {
			for range 1 + random.IntN(8) {
				s.WriteByte(byte('a' + random.IntN(26)))
			}
			s.WriteByte(' ')
		}
		return s.String()
	}
	x, err := leak.NewIndex(13, tasks(prose(100_000)))
	if err != nil {
		b.Fatal(err)
	}
	judge, d := x.Judge(), corpus.New(0, "d", prose(800))
	b.SetBytes(int64(len(d.Text)))
	for b.Loop() {
		judge(d)
	}
}
