package metric_test

import (
	"bufio"
	"encoding/json"
	"math"
	"os"
	"testing"

	"millrace/evaluator/metric"
)

// scored are the numbers that testdata/peers/golden.py prints for a pair, in its order, beside the metrics they are of.
type scored struct {
	metrics []metric.Metric
	samples []func(m metric.Metric, stats []float64) float64 // of a pair
	corpora []func(m metric.Metric, sum []float64) float64   // of all
	signed  []metric.Metric
}

func ptr(v float64) *float64 { return &v }

func peersMetrics() (s scored) {
	put := func(m metric.Metric, sample, corpus func(metric.Metric, []float64) float64) {
		s.metrics, s.samples, s.corpora = append(s.metrics, m), append(s.samples, sample), append(s.corpora, corpus)
	}
	score, sample := metric.Metric.Score, metric.Metric.Sample
	for _, m := range []metric.BLEU{
		{}, {Tokenize: metric.TokenizeIntl, Smooth: metric.SmoothFloor}, {Tokenize: metric.TokenizeChar, Smooth: metric.SmoothAddK, Lowercase: true},
		{Tokenize: metric.TokenizeZh, Smooth: metric.SmoothNone}, {Tokenize: metric.TokenizeNone, Smooth: metric.SmoothFloor, SmoothValue: ptr(0.5), Order: 2},
		{Smooth: metric.SmoothAddK, SmoothValue: ptr(2), Order: 6},
	} {
		effective := m
		effective.EffectiveOrder = true
		put(effective, sample, score)
		put(m, score, score)
		s.signed = append(s.signed, m)
	}
	for _, m := range []metric.CHRF{{}, {WordOrder: 2}, {Lowercase: true, Whitespace: true, Beta: 3, CharOrder: 4}, {EpsSmooth: true, WordOrder: 1}} {
		put(m, sample, score)
		s.signed = append(s.signed, m)
	}
	for _, stem := range []bool{false, true} {
		for _, v := range []metric.Variant{metric.Rouge1, metric.Rouge2, "rouge4", metric.RougeL, metric.RougeLsum} {
			for _, part := range []metric.Part{metric.Precision, metric.Recall, metric.FMeasure} {
				put(metric.ROUGE{Variant: v, Stem: stem, Part: part}, sample, score)
			}
		}
	}
	return s
}

// golden is a line of golden.jsonl.
type golden struct {
	Hyp        string
	Refs       []string
	Scores     []float64
	Corpus     []float64
	Signatures []string
	Stems      map[string]string
}

func readGolden(t *testing.T) (pairs []golden, last golden) {
	t.Helper()
	f, err := os.Open("testdata/peers/golden.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var g golden
		if err := json.Unmarshal(lines.Bytes(), &g); err != nil {
			t.Fatal(err)
		}
		if g.Corpus != nil {
			last = g
		} else {
			pairs = append(pairs, g)
		}
	}
	if err := lines.Err(); err != nil || len(pairs) < 100 || last.Corpus == nil {
		t.Fatalf("%d pairs: %v", len(pairs), err)
	}
	return pairs, last
}

// near is how far from the peers' numbers ours may be.
const near = 1e-9

func TestScoresAreThePeers(t *testing.T) {
	pairs, last := readGolden(t)
	s := peersMetrics()
	if len(s.metrics) != len(last.Corpus) {
		t.Fatalf("%d metrics for %d numbers", len(s.metrics), len(last.Corpus))
	}
	for k, m := range s.metrics {
		var sum []float64
		for i, p := range pairs {
			stats, err := m.Stats(p.Hyp, p.Refs)
			if err != nil {
				t.Fatalf("pair %d: %v", i, err)
			}
			if got := s.samples[k](m, stats); !(math.Abs(got-p.Scores[k]) <= near) {
				t.Errorf("%s %s of pair %d: %v, the peer's is %v\n%q\n%q", m.Name(), m.Signature(0), i, got, p.Scores[k], p.Hyp, p.Refs)
			}
			if sum == nil {
				sum = make([]float64, len(stats))
			}
			for j, v := range stats {
				sum[j] += v
			}
		}
		if got := s.corpora[k](m, sum); !(math.Abs(got-last.Corpus[k]) <= near) {
			t.Errorf("%s %s of all: %v, the peer's is %v", m.Name(), m.Signature(0), got, last.Corpus[k])
		}
	}
	for i, m := range s.signed {
		if got := m.Signature(0); got != last.Signatures[i] {
			t.Errorf("signature %s, the peer's is %s", got, last.Signatures[i])
		}
	}
}
