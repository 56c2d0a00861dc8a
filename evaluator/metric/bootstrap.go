package metric

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// Bootstrap says how intervals are found: samples are drawn with replacement, as many as there are, Resamples times, and each draw
// is scored as the corpus is. The zero value draws 1,000 times from seed 0 for 95%.
type Bootstrap struct {
	Resamples  int     // 0: 1,000; at most MaxResamples
	Confidence float64 // 0: 0.95
	Seed       uint64
}

// MaxResamples bounds a bootstrap.
const MaxResamples = 100_000

// Interval is what a bootstrap finds.
type Interval struct {
	Low, Mid, High float64 // percentiles (1-c)/2, 1/2 and (1+c)/2 of the draws' scores, interpolated between neighbours
	Mean           float64 // of the draws' scores
	StdErr         float64 // standard deviation of the draws' scores
}

func (b Bootstrap) check() (Bootstrap, error) {
	if b.Resamples == 0 {
		b.Resamples = 1000
	}
	if b.Confidence == 0 {
		b.Confidence = 0.95
	}
	if b.Resamples < 2 || b.Resamples > MaxResamples {
		return b, fmt.Errorf("metric: %d resamples: want 2 to %d", b.Resamples, MaxResamples)
	}
	if !(b.Confidence > 0 && b.Confidence < 1) {
		return b, fmt.Errorf("metric: a confidence of %v: want more than 0 and less than 1", b.Confidence)
	}
	return b, nil
}

// Interval is the interval of a corpus' score. It depends on the order in which samples were added, through the seed only, and is
// the same on every machine.
func (c *Corpus) Interval(b Bootstrap) (Interval, error) {
	b, err := b.check()
	if err != nil {
		return Interval{}, err
	}
	if len(c.stats) == 0 {
		return Interval{}, nil
	}
	random := rand.New(rand.NewPCG(b.Seed, 0))
	scores, sum := make([]float64, b.Resamples), make([]float64, len(c.sum))
	for i := range scores {
		clear(sum)
		for range c.stats {
			add(sum, c.stats[random.IntN(len(c.stats))])
		}
		scores[i] = c.metric.Score(sum)
	}
	return summary(scores, b.Confidence), nil
}

// summary sorts scores and says how they lie.
func summary(scores []float64, confidence float64) Interval {
	slices.Sort(scores)
	var out Interval
	n := float64(len(scores))
	for _, s := range scores {
		out.Mean += s / n
	}
	for _, s := range scores {
		out.StdErr += (s - out.Mean) * (s - out.Mean) / (n - 1)
	}
	out.StdErr = math.Sqrt(out.StdErr)
	tail := (1 - confidence) / 2
	out.Low, out.Mid, out.High = Percentile(scores, tail), Percentile(scores, 0.5), Percentile(scores, 1-tail)
	return out
}

// Percentile is the value below which a share of sorted values lies, interpolated between neighbours as numpy.percentile does; 0 of
// none.
func Percentile(sorted []float64, share float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	at := share * float64(len(sorted)-1)
	low := min(max(int(at), 0), len(sorted)-1)
	high := min(low+1, len(sorted)-1)
	return sorted[low] + (at-float64(low))*(sorted[high]-sorted[low])
}

// Paired is what a paired bootstrap says of two systems on the same samples (Koehn 2004).
type Paired struct {
	Delta float64 // score of the second less that of the first
	P     float64 // how often a difference as large comes by chance, as sacreBLEU counts it
}

// Compare draws the same samples for two corpora of one metric, the second being compared with the first, the baseline. As
// sacreBLEU does: p = (1 + draws whose |difference|, less the mean of these, is above the real one) / (1 + draws).
func Compare(baseline, system *Corpus, b Bootstrap) (Paired, error) {
	b, err := b.check()
	if err != nil {
		return Paired{}, err
	}
	if len(baseline.stats) != len(system.stats) || len(system.stats) == 0 {
		return Paired{}, fmt.Errorf("metric: %d samples beside %d: both systems must have answered the same", len(baseline.stats), len(system.stats))
	}
	if len(baseline.sum) != len(system.sum) || baseline.metric.Signature(1) != system.metric.Signature(1) {
		return Paired{}, fmt.Errorf("metric: %s beside %s cannot be compared", baseline.Signature(), system.Signature())
	}
	random := rand.New(rand.NewPCG(b.Seed, 0))
	deltas := make([]float64, b.Resamples)
	one, two := make([]float64, len(baseline.sum)), make([]float64, len(baseline.sum))
	mean := 0.0
	for i := range deltas {
		clear(one)
		clear(two)
		for range system.stats {
			k := random.IntN(len(system.stats))
			add(one, baseline.stats[k])
			add(two, system.stats[k])
		}
		deltas[i] = math.Abs(system.metric.Score(two) - baseline.metric.Score(one))
		mean += deltas[i] / float64(b.Resamples)
	}
	out := Paired{Delta: system.Score() - baseline.Score()}
	beyond := 0
	for _, d := range deltas {
		if d-mean > math.Abs(out.Delta) {
			beyond++
		}
	}
	out.P = float64(1+beyond) / float64(1+b.Resamples)
	return out, nil
}
