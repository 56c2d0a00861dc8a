package metric_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"millrace/evaluator/metric"
)

// every is a metric of each kind, and of each way to count.
func every() []metric.Metric {
	exact, err := metric.Exact{IgnoreCase: true, IgnoreRegexes: []string{"^the "}}.Compile()
	if err != nil {
		panic(err)
	}
	return []metric.Metric{
		exact, metric.BLEU{}, metric.BLEU{Tokenize: metric.TokenizeIntl, Smooth: metric.SmoothAddK}, metric.BLEU{Tokenize: metric.TokenizeChar},
		metric.BLEU{Tokenize: metric.TokenizeZh, EffectiveOrder: true}, metric.CHRF{}, metric.CHRF{WordOrder: 2}, metric.CHRF{EpsSmooth: true},
		metric.ROUGE{Variant: metric.Rouge1}, metric.ROUGE{Variant: metric.Rouge2, Stem: true}, metric.ROUGE{}, metric.ROUGE{Variant: metric.RougeLsum, Part: metric.Recall},
	}
}

// top is the best score.
func top(m metric.Metric) float64 {
	switch m.(type) {
	case metric.BLEU, metric.CHRF:
		return 100
	}
	return 1
}

// text draws words, marks and white space of many kinds, and bytes that are no UTF-8.
func text() *rapid.Generator[string] {
	piece := rapid.OneOf(rapid.SampledFrom([]string{"the", "cat", "cats", "1,000.5", "5-6", "中文", "😀", ".", ",", "-\n", "&amp;", "\xff\xfe", "İ", "ΟΔΟΣ", "\u0301", "(hi)", "generalizations"}), rapid.StringN(0, 6, 24))
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(piece, 0, 12).Draw(t, "pieces"), rapid.SampledFrom([]string{" ", "", "\n", "\u3000", "\x1c"}).Draw(t, "space"))
	})
}

func TestScoresHold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := rapid.SampledFrom(every()).Draw(t, "metric")
		hyp, refs := text().Draw(t, "text"), rapid.SliceOfN(text(), 1, 3).Draw(t, "references")
		corpus := metric.NewCorpus(m)
		score, err := corpus.Add(hyp, refs...)
		if err != nil {
			t.Fatal(err)
		}
		if !(score >= 0 && score <= top(m)*(1+1e-12)) {
			t.Fatalf("a score of %v", score)
		}
		if got := corpus.Score(); !(got >= 0 && got <= top(m)*(1+1e-12)) {
			t.Fatalf("a corpus' score of %v", got)
		}
		again, err := metric.NewCorpus(m).Add(hyp, append(slices.Clone(refs), hyp)...)
		if err != nil {
			t.Fatal(err)
		}
		if _, isBLEU := m.(metric.BLEU); !isBLEU && again < score-1e-9 { // of BLEU the closest length may be another
			t.Fatalf("with itself among the references %v, without %v", again, score)
		}
		stats, err := m.Stats(hyp, refs)
		if err != nil || len(stats) != len(corpus.Sum()) {
			t.Fatalf("%d statistics: %v", len(stats), err)
		}
		for _, v := range stats {
			if math.IsNaN(v) || v < 0 {
				t.Fatalf("statistics %v", stats)
			}
		}
	})
}

// A text with enough words is as good as can be beside itself.
func TestTheSameTextIsBest(t *testing.T) {
	for _, m := range every() {
		s := "the cats sat on the mat, and 1,000.5 dogs slept"
		score, err := metric.NewCorpus(m).Add(s, "something else", s)
		if err != nil || math.Abs(score-top(m)) > 1e-12 {
			t.Errorf("%s: %v %v", m.Name(), score, err)
		}
	}
}

func TestExactIgnores(t *testing.T) {
	for _, c := range []struct {
		m         metric.Exact
		hyp, ref  string
		want      float64
		signature string
	}{
		{metric.Exact{}, "Paris", "Paris", 1, "nrefs:1|case:mixed|punct:yes|numbers:yes"},
		{metric.Exact{}, "Paris ", "Paris", 0, ""},
		{metric.Exact{}, "paris", "Paris", 0, ""},
		{metric.Exact{IgnoreCase: true}, "PARİS", "pari̇s", 1, "nrefs:1|case:lc|punct:yes|numbers:yes"},
		{metric.Exact{IgnorePunctuation: true}, "1,000.5!", "10005", 1, ""},
		{metric.Exact{IgnorePunctuation: true}, "a—b", "ab", 0, ""}, // a dash of Unicode is none of string.punctuation
		{metric.Exact{IgnoreNumbers: true}, "answer 42", "answer ", 1, ""},
		{metric.Exact{IgnoreRegexes: []string{",", `\$`, "(?s).*#### "}}, "so it is\n#### $1,200", "1200", 1, ""},
		{metric.Exact{IgnoreRegexes: []string{"X"}, IgnoreCase: true}, "xa", "a", 0, ""}, // patterns come first, as lm-eval has it
		{metric.Exact{Trim: true}, "\n Paris\u00a0", "Paris", 1, "nrefs:1|case:mixed|punct:yes|numbers:yes|trim:yes"},
		{metric.Exact{}, "", "", 1, ""},
	} {
		got, err := metric.NewCorpus(c.m).Add(c.hyp, c.ref)
		if err != nil || got != c.want {
			t.Errorf("%+v of %q and %q: %v %v", c.m, c.hyp, c.ref, got, err)
		}
		if s := c.m.Signature(1); c.signature != "" && s != c.signature {
			t.Errorf("signature %s, want %s", s, c.signature)
		}
	}
}

func TestWrongOptions(t *testing.T) {
	for i, m := range []metric.Metric{
		metric.BLEU{Order: 17}, metric.BLEU{Tokenize: "mecab"}, metric.BLEU{Smooth: "maybe"}, metric.BLEU{SmoothValue: ptr(math.NaN())},
		metric.CHRF{CharOrder: -1}, metric.CHRF{Beta: math.NaN()}, metric.ROUGE{Variant: "rouge0"}, metric.ROUGE{Variant: "rouge10"}, metric.ROUGE{Part: "x"},
		metric.Exact{IgnoreRegexes: []string{"("}},
	} {
		if _, err := m.Stats("a", []string{"a"}); err == nil {
			t.Errorf("%d: %+v was taken", i, m)
		}
	}
	for _, m := range every() {
		if _, err := m.Stats("a", nil); !errors.Is(err, metric.ErrNoReference) {
			t.Errorf("%s without references: %v", m.Name(), err)
		}
		if _, err := m.Stats("a", []string{strings.Repeat("a", metric.MaxText+1)}); !errors.Is(err, metric.ErrTooLong) {
			t.Errorf("%s of too long a text: %v", m.Name(), err)
		}
	}
	lines := strings.Repeat(strings.Repeat("a b ", 10_000), 10)
	if _, err := (metric.ROUGE{Variant: metric.RougeLsum}).Stats(lines, []string{lines}); !errors.Is(err, metric.ErrTooLong) {
		t.Errorf("ROUGE-Lsum of very long lines: %v", err)
	}
}

func TestIntervals(t *testing.T) {
	corpus, better := metric.NewCorpus(metric.CHRF{}), metric.NewCorpus(metric.CHRF{})
	if got, err := corpus.Interval(metric.Bootstrap{}); err != nil || got != (metric.Interval{}) {
		t.Errorf("of nothing %v %v", got, err)
	}
	for i := range 50 {
		ref := fmt.Sprintf("number %d of fifty is %s", i, strings.Repeat("good ", i%7))
		for _, add := range []struct {
			c   *metric.Corpus
			hyp string
		}{{corpus, fmt.Sprintf("nomber %d of %d", i, i*i)}, {better, ref}} {
			if _, err := add.c.Add(add.hyp, ref); err != nil {
				t.Fatal(err)
			}
		}
	}
	got, err := corpus.Interval(metric.Bootstrap{Seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	again, _ := corpus.Interval(metric.Bootstrap{Seed: 7})
	other, _ := corpus.Interval(metric.Bootstrap{Seed: 8})
	if got != again || got == other {
		t.Errorf("seeds: %v %v %v", got, again, other)
	}
	if s := corpus.Score(); !(got.Low < s && s < got.High && got.Low < got.Mid && got.Mid < got.High && got.StdErr > 0) {
		t.Errorf("%v around %v", got, s)
	}
	// Of a mean the bootstrap's error is s/√n, but for (n-1)/n.
	mean := metric.NewCorpus(metric.Exact{})
	for i := range 400 {
		if _, err := mean.Add(fmt.Sprint(i%4), "0"); err != nil {
			t.Fatal(err)
		}
	}
	value, stderr := mean.MeanStdErr()
	in, err := mean.Interval(metric.Bootstrap{Resamples: 4000})
	if err != nil || value != 0.25 || math.Abs(stderr-math.Sqrt(0.25*0.75/399)) > 1e-12 || math.Abs(in.StdErr-stderr) > 0.002 {
		t.Errorf("mean %v ± %v, by bootstrap %v: %v", value, stderr, in, err)
	}
	p, err := metric.Compare(corpus, better, metric.Bootstrap{})
	if err != nil || p.P != 1./1001 || p.Delta != better.Score()-corpus.Score() {
		t.Errorf("a better system: %v %v", p, err)
	}
	if _, err := metric.Compare(corpus, mean, metric.Bootstrap{}); err == nil {
		t.Error("other samples were compared")
	}
	for _, b := range []metric.Bootstrap{{Resamples: -1}, {Resamples: metric.MaxResamples + 1}, {Confidence: 1}, {Confidence: math.NaN()}} {
		if _, err := corpus.Interval(b); err == nil {
			t.Errorf("%+v was taken", b)
		}
	}
}

// The signature of a corpus says how many references a sample had.
func TestCorpusCountsReferences(t *testing.T) {
	c := metric.NewCorpus(metric.BLEU{})
	for i, want := range []string{"nrefs:2|", "nrefs:2|", "nrefs:var|"} {
		refs := []string{"a", "b"}
		if i == 2 {
			refs = refs[:1]
		}
		if _, err := c.Add("a", refs...); err != nil || !strings.HasPrefix(c.Signature(), want) {
			t.Errorf("%s, want %s: %v", c.Signature(), want, err)
		}
	}
	if _, err := c.Add("a"); err == nil || c.Len() != 3 {
		t.Errorf("%d samples after one without a reference: %v", c.Len(), err)
	}
}

func FuzzMetrics(f *testing.F) {
	f.Add("the cat", "the cat sat\non the mat", "x")
	f.Add("-\n&amp;lt;1,000.5\xff", "ΟΔΟΣ.İ\u200b", "")
	f.Add("yyyyies", "skies dying (hi)...", "....,,")
	f.Fuzz(func(t *testing.T, hyp, one, two string) {
		for _, m := range every() {
			score, err := metric.NewCorpus(m).Add(hyp, one, two)
			if err != nil && !errors.Is(err, metric.ErrTooLong) || !(score >= 0 && score <= top(m)*(1+1e-12)) {
				t.Fatalf("%s: %v %v", m.Name(), score, err)
			}
		}
	})
}

func Benchmark(b *testing.B) {
	hyp := strings.Repeat("The quick brown fox jumps over 1,000.5 lazy dogs, and sleeps. ", 4)
	ref := strings.ReplaceAll(hyp, "quick", "fast")
	for _, m := range every() {
		b.Run(m.Name()+"/"+m.Signature(1), func(b *testing.B) {
			b.SetBytes(int64(len(hyp) + len(ref)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := m.Stats(hyp, []string{ref}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
