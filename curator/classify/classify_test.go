package classify_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"millrace/curator/classify"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "rewrite the golden file")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// examples are sentences of two kinds that have most words in common.
func examples(n int) iter.Seq2[classify.Example, error] {
	shared := strings.Fields("the mill river wheel water stone day night corn bread miller village rain bridge path")
	good := strings.Fields("grinds remembers because therefore slowly")
	bad := strings.Fields("click subscribe login free cookies")
	return func(yield func(classify.Example, error) bool) {
		r := rand.New(rand.NewPCG(1, 2))
		for i := range n {
			words := make([]string, 0, 20)
			own := bad
			if i%3 == 0 {
				own = good
			}
			for range 16 {
				words = append(words, shared[r.IntN(len(shared))])
			}
			for range 1 + r.IntN(3) {
				words = append(words, own[r.IntN(len(own))])
			}
			r.Shuffle(len(words), func(i, j int) { words[i], words[j] = words[j], words[i] })
			if !yield(classify.Example{Text: strings.Join(words, " "), Good: i%3 == 0}, nil) {
				return
			}
		}
	}
}

func train(t testing.TB, o classify.Options, n int) (*classify.Model, classify.Report) {
	t.Helper()
	m, r, err := classify.Train(context.Background(), o, examples(n))
	require.NoError(t, err)
	return m, r
}

func TestTellsTheTwoApart(t *testing.T) {
	m, r := train(t, classify.Options{Bits: 14}, 1200)
	require.EqualValues(t, 1200, r.Good+r.Bad+r.HeldGood+r.HeldBad)
	require.Greater(t, r.AUC, 0.95)
	require.Greater(t, r.Accuracy, 0.9)
	require.Less(t, r.LogLoss, 0.4)
	good, bad := m.Score("The miller remembers the rain"), m.Score("Subscribe FREE: the rain")
	require.Greater(t, good, 0.6)
	require.Less(t, bad, 0.4)
	require.Equal(t, m.Score(""), m.Score(" \n"), "the bias alone")
	var sum int64
	for i := range classify.Bins {
		sum += r.GoodScores[i] + r.BadScores[i]
	}
	require.Equal(t, r.HeldGood+r.HeldBad, sum)
	for i, cut := range r.Cuts {
		require.True(t, cut.Good >= 0 && cut.Good <= 1 && cut.Bad >= 0 && cut.Bad <= 1)
		require.Greater(t, cut.Good, cut.Bad)
		if i > 0 {
			require.LessOrEqual(t, cut.Good, r.Cuts[i-1].Good)
		}
	}
}

// Training again gives the same bytes; another seed another model.
func TestDeterministic(t *testing.T) {
	file := func(o classify.Options) string {
		m, _ := train(t, o, 300)
		var b bytes.Buffer
		n, err := m.WriteTo(&b)
		require.NoError(t, err)
		require.EqualValues(t, b.Len(), n)
		return b.String()
	}
	a := file(classify.Options{Bits: 10})
	require.Equal(t, a, file(classify.Options{Bits: 10}))
	require.NotEqual(t, a, file(classify.Options{Bits: 10, Seed: 1}))
	require.NotEqual(t, a, file(classify.Options{Bits: 10, NGrams: 1}))
}

func TestGolden(t *testing.T) {
	const path = "testdata/model.bin"
	m, _ := train(t, classify.Options{Bits: 6, Epochs: 2, NGrams: 1}, 150)
	var b bytes.Buffer
	_, err := m.WriteTo(&b)
	require.NoError(t, err)
	if *update {
		require.NoError(t, os.WriteFile(path, b.Bytes(), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.True(t, classify.IsModel(want))
	read, err := classify.Read(bytes.NewReader(want))
	require.NoError(t, err)
	for e := range examples(30) {
		require.InDelta(t, m.Score(e.Text), read.Score(e.Text), 1e-6, "training gives this model, but for rounding")
	}
	var again bytes.Buffer
	_, err = read.WriteTo(&again)
	require.NoError(t, err)
	require.Equal(t, want, again.Bytes())
	require.Equal(t, "simple", read.Words())
	require.Equal(t, 1, read.NGrams())
}

// Case, order of runs and repeats do not matter to single words.
func TestFeatures(t *testing.T) {
	m, _ := train(t, classify.Options{Bits: 12, NGrams: 1}, 300)
	require.Equal(t, m.Score("the mill grinds"), m.Score("GRINDS grinds The Mill mill"))
	pairs, _ := train(t, classify.Options{Bits: 12}, 300)
	require.NotEqual(t, pairs.Score("the mill grinds"), pairs.Score("grinds the mill"))
	three, _ := train(t, classify.Options{Bits: 12, NGrams: 3}, 300)
	require.Positive(t, three.Score("ÄÖ ß mill")*three.Score("x"))
}

// AUC is the share of pairs in which the good one scores higher.
func TestAUC(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		scores := rapid.SliceOfN(rapid.IntRange(0, 9), 2, 40).Draw(t, "scores")
		labels := rapid.SliceOfN(rapid.Bool(), len(scores), len(scores)).Draw(t, "labels")
		labels[0], labels[1] = true, false
		var want, pairs float64
		for i, a := range scores {
			for j, b := range scores {
				if labels[i] && !labels[j] {
					pairs++
					if a > b {
						want++
					} else if a == b {
						want += 0.5
					}
				}
			}
		}
		require.InDelta(t, want/pairs, classify.AUC(scores, labels), 1e-9)
	})
}

func TestTrainingHasLimits(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	_, _, err := classify.Train(ctx, classify.Options{MaxFeatures: 100}, examples(50))
	require.ErrorIs(t, err, classify.ErrTooMany)
	_, _, err = classify.Train(ctx, classify.Options{}, func(yield func(classify.Example, error) bool) {
		for i := range 50 {
			if !yield(classify.Example{Text: fmt.Sprint("only good ", i), Good: true}, nil) {
				return
			}
		}
	})
	require.ErrorIs(t, err, classify.ErrOneLabel)
	broken := errors.New("broken")
	_, _, err = classify.Train(ctx, classify.Options{}, func(yield func(classify.Example, error) bool) { yield(classify.Example{}, broken) })
	require.ErrorIs(t, err, broken)
	for _, o := range []classify.Options{{Bits: 40}, {NGrams: 9}, {Epochs: -1}, {Rate: -1}, {HeldOut: 0.9}} {
		_, _, err = classify.Train(ctx, o, examples(50))
		require.ErrorContains(t, err, "want")
	}
	_, _, err = classify.Train(ctx, classify.Options{Words: "spacy"}, examples(50))
	require.ErrorContains(t, err, "spacy")
	cancel()
	_, _, err = classify.Train(ctx, classify.Options{}, examples(50))
	require.ErrorIs(t, err, context.Canceled)
}

func TestErrorsSayWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"": "no header", "{}\n": "format", `{"format":"millrace.classifier/1","x":1}` + "\n": `unknown field "x"`,
		`{"format":"millrace.classifier/1","words":"simple","ngrams":1,"bits":99}` + "\n":                                    "2^99",
		`{"format":"millrace.classifier/1","words":"spacy","ngrams":1,"bits":6}` + "\n":                                      "spacy",
		`{"format":"millrace.classifier/1","words":"simple","ngrams":1,"bits":6,"weights":1}` + "\n":                         "weight 0 of 1",
		`{"format":"millrace.classifier/1","words":"simple","ngrams":1,"bits":6,"weights":1}` + "\n\x00\x00\x00\x80\x3f":     "of feature",
		`{"format":"millrace.classifier/1","words":"simple","ngrams":1,"bits":6,"weights":1}` + "\n\x50\x00\x00\x80\x3f":     "of feature",
		`{"format":"millrace.classifier/1","words":"simple","ngrams":1,"bits":6,"weights":1}` + "\n\x01\x00\x00\xc0\x7f":     "NaN",
		`{"format":"millrace.classifier/1","words":"simple","ngrams":1,"bits":6,"weights":1}` + "\n\x01\x00\x00\x80\x3f\x00": "goes on",
	} {
		_, err := classify.Read(strings.NewReader(text))
		require.ErrorIs(t, err, classify.ErrModel, text)
		require.ErrorContains(t, err, want, text)
	}
}

// Whatever the bytes, reading gives an error or a model that scores from 0 to 1 and is written as it was.
func FuzzRead(f *testing.F) {
	data, err := os.ReadFile("testdata/model.bin")
	require.NoError(f, err)
	f.Add(data, "the mill grinds")
	f.Add(data[:len(data)-2], "")
	f.Fuzz(func(t *testing.T, data []byte, text string) {
		if bytes.Contains(data[:min(len(data), 4096)], []byte(`"bits":2`)) {
			t.Skip("hundreds of MiB")
		}
		m, err := classify.Read(bytes.NewReader(data))
		if err != nil {
			require.ErrorIs(t, err, classify.ErrModel)
			return
		}
		score := m.Score(text)
		require.True(t, score >= 0 && score <= 1, score)
		var a, b bytes.Buffer
		_, err = m.WriteTo(&a)
		require.NoError(t, err)
		again, err := classify.Read(bytes.NewReader(a.Bytes()))
		require.NoError(t, err)
		_, err = again.WriteTo(&b)
		require.NoError(t, err)
		require.Equal(t, a.Bytes(), b.Bytes())
	})
}

func BenchmarkScore(b *testing.B) {
	m, _ := train(b, classify.Options{}, 300)
	var text strings.Builder
	for e := range examples(100) {
		text.WriteString(e.Text + ".\n")
	}
	b.SetBytes(int64(text.Len()))
	for b.Loop() {
		m.Score(text.String())
	}
}
