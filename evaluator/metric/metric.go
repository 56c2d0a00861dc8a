package metric

import (
	"errors"
	"fmt"
	"math"
)

// Metric is a way to compare a text with references.
type Metric interface {
	// Name is what the score is called in results: bleu, chrf, rouge1, rougeLsum, exact_match, …
	Name() string
	// Signature says everything that the score depends on, as sacreBLEU writes it; refs is the number of references of every
	// sample, 0 when it varies.
	Signature(refs int) string
	// Stats are the statistics of one sample, always as many. Those of samples are added to have those of the corpus. It fails with
	// ErrNoReference and ErrTooLong.
	Stats(hyp string, refs []string) ([]float64, error)
	// Score is the score of summed statistics: 0 to 100 for BLEU and chrF, 0 to 1 for the others, and 0 for nothing.
	Score(sum []float64) float64
	// Sample is the score of one sample's statistics, which is Score but where a corpus is scored differently.
	Sample(stats []float64) float64
}

// MaxText bounds a text, in bytes.
const MaxText = 1 << 20

// What Stats refuses.
var (
	ErrNoReference = errors.New("metric: a sample without a reference")
	ErrTooLong     = errors.New("metric: too long a text to compare")
)

// check refuses what no metric takes.
func check(hyp string, refs []string) error {
	if len(refs) == 0 {
		return ErrNoReference
	}
	if len(hyp) > MaxText {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrTooLong, len(hyp), MaxText)
	}
	for _, r := range refs {
		if len(r) > MaxText {
			return fmt.Errorf("%w: a reference of %d bytes, at most %d", ErrTooLong, len(r), MaxText)
		}
	}
	return nil
}

// Corpus is samples as they are added: their statistics, and the sum of these.
type Corpus struct {
	metric Metric
	stats  [][]float64
	sum    []float64
	refs   int // of every sample; -1 before the first, 0 when it varies
}

// NewCorpus returns an empty corpus.
func NewCorpus(m Metric) *Corpus { return &Corpus{metric: m, refs: -1} }

// Add adds a sample and returns its own score. A sample that is refused leaves the corpus as it was.
func (c *Corpus) Add(hyp string, refs ...string) (float64, error) {
	stats, err := c.metric.Stats(hyp, refs)
	if err != nil {
		return 0, err
	}
	switch {
	case c.refs < 0:
		c.refs = len(refs)
	case c.refs != len(refs):
		c.refs = 0
	}
	if c.sum == nil {
		c.sum = make([]float64, len(stats))
	}
	add(c.sum, stats)
	c.stats = append(c.stats, stats)
	return c.metric.Sample(stats), nil
}

// Len is the number of samples.
func (c *Corpus) Len() int { return len(c.stats) }

// Metric is what the corpus is scored by.
func (c *Corpus) Metric() Metric { return c.metric }

// Sum is the sum of all statistics; it must not be written to.
func (c *Corpus) Sum() []float64 { return c.sum }

// Score is the score of all samples together, 0 of none.
func (c *Corpus) Score() float64 {
	if len(c.stats) == 0 {
		return 0
	}
	return c.metric.Score(c.sum)
}

// Signature says what the score depends on.
func (c *Corpus) Signature() string { return c.metric.Signature(max(c.refs, 0)) }

// MeanStdErr is the mean of the samples' own scores and its standard error s/√n with the sample deviation s, which is 0 of fewer
// than two.
func (c *Corpus) MeanStdErr() (mean, stderr float64) {
	n := float64(len(c.stats))
	if n == 0 {
		return 0, 0
	}
	for _, s := range c.stats {
		mean += c.metric.Sample(s)
	}
	mean /= n
	if n < 2 {
		return mean, 0
	}
	squares := 0.0
	for _, s := range c.stats {
		d := c.metric.Sample(s) - mean
		squares += d * d
	}
	return mean, math.Sqrt(squares / (n - 1) / n)
}

func add(sum, stats []float64) {
	for i, v := range stats {
		sum[i] += v
	}
}
