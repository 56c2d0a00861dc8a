package evaluator

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
)

// The changes of an example from one evaluation to another.
const (
	NewlyRight = "newly_right"
	NewlyWrong = "newly_wrong"
	StillRight = "still_right"
	StillWrong = "still_wrong"
	Unjudged   = "unjudged" // it is not right or wrong: a likelihood, a text without a wanted one
)

// deciding are the metrics that say of one example whether it is right, the first that it has.
var deciding = []string{"acc", "mc1", "exact_match", "pass@1", "acc_norm", "acc_bytes"}

// Right tells whether the model was right about an example; false, false for one that is not right or wrong.
func (a Answer) Right() (right, judged bool) {
	for _, m := range deciding {
		if v, ok := a.Scores[m]; ok {
			return v >= 0.5, true
		}
	}
	return false, false
}

// Difference is how far one metric of a task moved between two evaluations.
type Difference struct {
	Task, Metric string
	// Was and Is are the means over the N examples that both have, Difference is Is - Was.
	Was, Is, Difference float64
	// Stderr is the standard error of the difference: the sample standard deviation of the examples' differences over √n, so that what is
	// hard in both counts for neither. 0 for a single example.
	Stderr float64
	N      int64
}

// Pair is one example in two evaluations.
type Pair struct {
	Was, Is Answer
	Change  string
}

// maxPaired bounds the examples that are held against each other.
const maxPaired = 2_000_000

// ErrPaired is returned for evaluations that cannot be held against each other.
var ErrPaired = errors.New("evaluations cannot be compared")

// Paired holds two files of answers against each other, example by example, matched by task and id. yield, which may be nil, sees each pair in
// the order of is, and ends by false what is shown of them but not what is counted. The differences are by task and metric.
func Paired(was, is iter.Seq2[Answer, error], yield func(Pair) bool) ([]Difference, error) {
	type key struct{ task, id string }
	before := map[key]Answer{}
	for a, err := range was {
		if err != nil {
			return nil, err
		}
		if len(before) >= maxPaired {
			return nil, fmt.Errorf("%w: more than %d examples", ErrPaired, maxPaired)
		}
		before[key{a.Task, a.ID}] = a
	}
	sums := map[[2]string]*spread{}
	var order [][2]string
	for a, err := range is {
		if err != nil {
			return nil, err
		}
		b, ok := before[key{a.Task, a.ID}]
		if !ok {
			continue
		}
		for metric, v := range a.Scores {
			old, ok := b.Scores[metric]
			if !ok {
				continue
			}
			at := [2]string{a.Task, metric}
			if sums[at] == nil {
				sums[at] = &spread{}
				order = append(order, at)
			}
			sums[at].add(float64(old), float64(v))
		}
		if yield != nil && !yield(Pair{b, a, change(b, a)}) {
			yield = nil
		}
	}
	slices.SortStableFunc(order, func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
	var out []Difference
	for _, at := range order {
		s := sums[at]
		n := float64(s.n)
		d := Difference{Task: at[0], Metric: at[1], Was: s.was / n, Is: s.is / n, Difference: s.mean, N: s.n}
		if s.n > 1 {
			d.Stderr = math.Sqrt(s.squares / (n - 1) / n)
		}
		out = append(out, d)
	}
	return out, nil
}

// change is what became of an example.
func change(was, is Answer) string {
	before, ok := was.Right()
	after, ok2 := is.Right()
	switch {
	case !ok || !ok2:
		return Unjudged
	case after && !before:
		return NewlyRight
	case before && !after:
		return NewlyWrong
	case after:
		return StillRight
	}
	return StillWrong
}

// spread gathers differences: their mean, and the squares around it (Welford 1962).
type spread struct {
	n             int64
	was, is       float64
	mean, squares float64
}

func (s *spread) add(was, is float64) {
	s.n++
	s.was, s.is = s.was+was, s.is+is
	d := is - was - s.mean
	s.mean += d / float64(s.n)
	s.squares += d * (is - was - s.mean)
}
