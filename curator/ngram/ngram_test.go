package ngram_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"millrace/curator/ngram"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "rewrite the golden file")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func file(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	require.NoError(t, err)
	return data
}

func train(t require.TestingT, o ngram.Options, texts ...string) *ngram.Model {
	m, _, err := ngram.Train(context.Background(), o, slices.Values(texts))
	require.NoError(t, err)
	return m
}

// scores are what kenlm says.
func scores(t *testing.T) (list []struct {
	Text              string
	Log10, Perplexity float64
}) {
	require.NoError(t, json.Unmarshal(file(t, "golden.json"), &list))
	require.NotEmpty(t, list)
	return list
}

func TestARPAIsScoredAsKenLMDoes(t *testing.T) {
	m, err := ngram.Read(bytes.NewReader(file(t, "model.arpa")), "whitespace")
	require.NoError(t, err)
	require.Equal(t, 3, m.Order())
	for _, want := range scores(t) {
		ln, n := m.Score(want.Text)
		require.InDelta(t, want.Log10, ln/math.Ln10, 1e-4, want.Text)
		require.InDelta(t, want.Perplexity, m.Perplexity(want.Text), 1e-2, want.Text)
		require.EqualValues(t, len(strings.Fields(want.Text))+1, n)
	}
}

// The model of that file comes out of its text: the estimate is that of the formulas.
func TestTrainingGivesTheSameModel(t *testing.T) {
	m, counts, err := ngram.Train(context.Background(), ngram.Options{Order: 3}, slices.Values([]string{string(file(t, "train.txt"))}))
	require.NoError(t, err)
	require.Equal(t, ngram.Counts{Texts: 1, Sentences: 10, Words: 116, NGrams: counts.NGrams}, counts)
	for _, want := range scores(t) {
		ln, _ := m.Score(strings.ToUpper(want.Text))
		require.InDelta(t, want.Log10, ln/math.Ln10, 1e-4, want.Text)
	}
	arpa, err := ngram.Read(bytes.NewReader(file(t, "model.arpa")), "simple")
	require.NoError(t, err)
	grams := m.NGrams()
	grams[0]++ // ARPA counts the unknown word
	require.Equal(t, arpa.NGrams(), grams)
}

// Whatever is trained on and pruned, what can follow has probability 1 together.
func TestProbabilitiesSumToOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.SampledFrom(strings.Fields("a b c d e f g"))
		sentence := rapid.SliceOfN(word, 1, 8)
		var lines []string
		vocabulary := map[string]bool{}
		for _, s := range rapid.SliceOfN(sentence, 1, 12).Draw(t, "sentences") {
			lines = append(lines, strings.Join(s, " "))
			for _, w := range s {
				vocabulary[w] = true
			}
		}
		m := train(t, ngram.Options{Order: rapid.IntRange(1, 5).Draw(t, "order"), Prune: rapid.IntRange(0, 3).Draw(t, "prune")}, strings.Join(lines, "\n"))
		context := strings.Join(append(rapid.SliceOfN(word, 0, 5).Draw(t, "context"), "q"), " ")
		context = strings.TrimSuffix(context, "q")
		sum := 0.0
		for w := range vocabulary {
			sum += next(m, context, w)
		}
		sum += next(m, context, "unseen")
		if context != "" { // its end
			all, _ := m.Score(context)
			sum += math.Exp(all - prefix(m, context))
		} else {
			return // a sentence does not end before it begins; the end has its share, which nothing asks for
		}
		require.InDelta(t, 1, sum, 1e-5)
	})
}

// prefix is ln p of the words, without the end: two sentences that differ in their ends only have it in common.
func prefix(m *ngram.Model, text string) float64 {
	fields := strings.Fields(text)
	sum := 0.0
	for i := range fields {
		sum += math.Log(next(m, strings.Join(fields[:i], " "), fields[i]))
	}
	return sum
}

// next is the probability of a word behind others.
func next(m *ngram.Model, context, word string) float64 {
	return math.Exp(m.Last(context, word))
}

func TestGolden(t *testing.T) {
	var b bytes.Buffer
	n, err := train(t, ngram.Options{Order: 3, Prune: 1}, string(file(t, "train.txt"))).WriteTo(&b)
	require.NoError(t, err)
	require.EqualValues(t, b.Len(), n)
	if *update {
		require.NoError(t, os.WriteFile("testdata/model.bin", b.Bytes(), 0o644))
	}
	require.Equal(t, file(t, "model.bin"), b.Bytes())
	m, err := ngram.Read(bytes.NewReader(b.Bytes()), "")
	require.NoError(t, err)
	var again bytes.Buffer
	_, err = m.WriteTo(&again)
	require.NoError(t, err)
	require.Equal(t, b.Bytes(), again.Bytes())
	require.Equal(t, "simple", m.Words())
}

// A model that was written is the model that is read, however large.
func TestFileHoldsTheModel(t *testing.T) {
	var text strings.Builder
	for i := range 200_000 {
		fmt.Fprintf(&text, "w%d ", i*i%9973*(1+i%7))
		if i%11 == 0 {
			text.WriteByte('\n')
		}
	}
	m := train(t, ngram.Options{Order: 3}, text.String())
	var b bytes.Buffer
	_, err := m.WriteTo(&b)
	require.NoError(t, err)
	read, err := ngram.Read(&b, "")
	require.NoError(t, err)
	require.Equal(t, m.NGrams(), read.NGrams())
	require.Greater(t, m.NGrams()[2], 100_000, "more than a first table holds")
	for _, probe := range []string{"w1 w4 w9", text.String()[500:900], "never seen"} {
		a, n := m.Score(probe)
		c, k := read.Score(probe)
		require.Equal(t, a, c)
		require.Equal(t, n, k)
	}
}

func TestTextWithoutWords(t *testing.T) {
	m := train(t, ngram.Options{}, "the mill")
	require.Zero(t, m.Perplexity(" \n\t\n"))
	require.Equal(t, m.Perplexity("the mill"), m.Perplexity("\n\nThe mill\n \n"))
	require.Equal(t, 5, m.Order())
}

func TestTrainingHasLimits(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	text := slices.Values([]string{"a b c d e f g h i j k l m n o p"})
	_, _, err := ngram.Train(ctx, ngram.Options{MaxNGrams: 20}, text)
	require.ErrorIs(t, err, ngram.ErrTooMany)
	require.ErrorContains(t, err, "smaller order")
	_, _, err = ngram.Train(ctx, ngram.Options{}, slices.Values([]string{"\n \n"}))
	require.ErrorIs(t, err, ngram.ErrNothing)
	_, _, err = ngram.Train(ctx, ngram.Options{Order: 99}, text)
	require.ErrorContains(t, err, "order 99")
	_, _, err = ngram.Train(ctx, ngram.Options{Words: "spacy"}, text)
	require.ErrorContains(t, err, "spacy")
	cancel()
	_, _, err = ngram.Train(ctx, ngram.Options{}, text)
	require.ErrorIs(t, err, context.Canceled)
}

func TestEveryCutIsAnError(t *testing.T) {
	for _, name := range []string{"model.bin", "model.arpa"} {
		data := bytes.TrimRight(file(t, name), "\n")
		for n := range data {
			_, err := ngram.Read(bytes.NewReader(data[:n]), "simple")
			require.ErrorIs(t, err, ngram.ErrModel, "%s to %d", name, n)
		}
	}
}

func TestErrorsSayWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"": "no header", "{}\n": "format", `{"format":"millrace.ngram/1","words":"spacy"}` + "\n": "spacy", `{"format":"x","y":1}` + "\n": `unknown field "y"`,
		`{"format":"millrace.ngram/1","words":"simple","unknown":-1,"ngrams":[]}` + "\n":                      "order 0",
		`{"format":"millrace.ngram/1","words":"simple","unknown":1,"ngrams":[1]}` + "\n":                      "unknown 1",
		`{"format":"millrace.ngram/1","words":"simple","unknown":-1,"ngrams":[1]}` + "\n\x00\x00\x00\x00\x00": "does not ascend",
		`{"format":"millrace.ngram/1","words":"simple","unknown":-1,"ngrams":[0]}` + "\n\x00":                 "goes on",
		"\\data\\\nngram 2=1\n":                                     "line 2",
		"\\data\\\nngram 1=1\n\n\\2-grams:\n":                       "line 4",
		"\\data\\\nngram 1=1\n\\1-grams:\n-1 a b c\n":               "4 fields",
		"\\data\\\nngram 1=1\n\\1-grams:\nx a\n":                    `"x" is no number`,
		"\\data\\\nngram 1=1\n\\1-grams:\n1 a\n":                    "above 0",
		"\\data\\\nngram 1=2\n\\1-grams:\n-1 a\n\\end\\":            "2 were announced",
		"\\data\\\nngram 1=2\n\\1-grams:\n-1 a\n-1 a\n":             "there twice",
		"\\data\\\nngram 1=1\n\\1-grams:\n-1 a\n-1 b\n":             "more than the 1",
		"\\data\\\nngram 1=1\nngram 2=0\n\\1-grams:\n-1 a\n\\end\\": "ends behind n-grams of 1",
	} {
		_, err := ngram.Read(strings.NewReader(text), "simple")
		require.ErrorIs(t, err, ngram.ErrModel, text)
		require.ErrorContains(t, err, want, text)
	}
}

// Whatever the bytes, reading gives an error or a model that works and can be written.
func FuzzRead(f *testing.F) {
	f.Add(file(f, "model.bin"), "the mill")
	f.Add(file(f, "model.arpa"), "the wheel turns")
	f.Add([]byte("\\data\\\nngram 1=2\n\n\\1-grams:\n-1 <unk>\n-0.3 a -0.2\n\\end\\\n"), "a b")
	f.Fuzz(func(t *testing.T, data []byte, text string) {
		m, err := ngram.Read(bytes.NewReader(data), "simple")
		if err != nil {
			require.ErrorIs(t, err, ngram.ErrModel)
			return
		}
		require.False(t, math.IsNaN(m.Perplexity(text)))
		var b bytes.Buffer
		_, err = m.WriteTo(&b)
		require.NoError(t, err)
		again, err := ngram.Read(&b, "")
		require.NoError(t, err)
		require.Equal(t, m.NGrams(), again.NGrams())
	})
}

func BenchmarkPerplexity(b *testing.B) {
	m := train(b, ngram.Options{}, string(file(b, "train.txt")))
	text := strings.Repeat(string(file(b, "train.txt")), 20)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		m.Perplexity(text)
	}
}
