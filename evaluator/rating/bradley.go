package rating

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// Options say how ratings are found. The zero value has no bootstrap and no anchor.
type Options struct {
	Bootstrap    int     // draws of as many battles with replacement; 0: no intervals
	Confidence   float64 // of the intervals; 0: 0.95, which is percentiles 2.5 and 97.5
	Seed         uint64
	Anchor       string  // a model whose rating is given, in every draw too; "": the mean of all models is 1,000
	AnchorRating float64 // of Anchor
	// Prior is how many ties every model has with an average model, beside its battles: 0 is maximum likelihood. Where that is infinite
	// (see Result.Separable) SeparablePrior is taken instead.
	Prior float64
}

// SeparablePrior is the prior where battles alone would say that somebody is infinitely good.
const SeparablePrior = 1.0

// Result is ratings, the best first.
type Result struct {
	Ratings []Rating `json:"ratings"`
	// Separable tells that the models fall into two groups of which one has never lost a point to the other, such as a model that always
	// wins, or models that have never met: the likelihood has no maximum, and the ratings are what Prior makes of it.
	Separable bool    `json:"separable"`
	Prior     float64 `json:"prior"` // that was taken
	Draws     int     `json:"draws"` // of the bootstrap
}

// Probability is how likely the first of two ratings wins.
func Probability(a, b float64) float64 { return 1 / (1 + math.Pow(10, (b-a)/Scale)) }

// BradleyTerry finds the ratings under which the battles are most likely: a beats b with probability 1/(1+10^((b-a)/400)), and a tie
// counts as half a win for each. It fails with ErrNoBattles.
func BradleyTerry(battles []Battle, o Options) (Result, error) {
	if o.Confidence == 0 {
		o.Confidence = 0.95
	}
	switch {
	case o.Bootstrap < 0 || o.Bootstrap > MaxBootstrap:
		return Result{}, fmt.Errorf("rating: %d draws: want 0 to %d", o.Bootstrap, MaxBootstrap)
	case !(o.Confidence > 0 && o.Confidence < 1):
		return Result{}, fmt.Errorf("rating: a confidence of %v: want more than 0 and less than 1", o.Confidence)
	case !(o.Prior >= 0 && o.Prior <= 1e9):
		return Result{}, fmt.Errorf("rating: a prior of %v: want 0 or more", o.Prior)
	case math.IsNaN(o.AnchorRating) || math.IsInf(o.AnchorRating, 0):
		return Result{}, fmt.Errorf("rating: an anchor at %v", o.AnchorRating)
	}
	f, err := prepare(battles)
	if err != nil {
		return Result{}, err
	}
	anchor := -1
	if o.Anchor != "" {
		if anchor = slices.Index(f.models, o.Anchor); anchor < 0 || f.ratings[anchor].Battles == 0 {
			return Result{}, fmt.Errorf("rating: the anchor %q has fought no battle", o.Anchor)
		}
	}
	n := len(f.models)
	w := newWins(n)
	for i := range f.a {
		w.add(f.a[i], f.b[i], f.score[i])
	}
	out := Result{Prior: o.Prior}
	theta := make([]float64, n)
	out.Separable = w.separable()
	if out.Separable && o.Prior == 0 {
		out.Prior = SeparablePrior
	}
	w.fit(theta, out.Prior)
	points := w.points(theta, anchor, o.AnchorRating)
	for i := range f.ratings {
		r := &f.ratings[i]
		r.Rating, r.Low, r.High = points[i], points[i], points[i]
	}
	f.draw(theta, anchor, o)
	out.Draws = o.Bootstrap
	out.Ratings = best(f.ratings)
	return out, nil
}

// draw sets the intervals.
func (f *field) draw(theta []float64, anchor int, o Options) {
	if o.Bootstrap == 0 {
		return
	}
	random := rand.New(rand.NewPCG(o.Seed, 1))
	all := make([][]float64, len(f.models))
	w, start := newWins(len(f.models)), make([]float64, len(theta))
	for range o.Bootstrap {
		w.clear()
		for range f.a {
			k := random.IntN(len(f.a))
			w.add(f.a[k], f.b[k], f.score[k])
		}
		if anchor >= 0 && !w.fought[anchor] {
			continue
		}
		prior := o.Prior
		if prior == 0 && w.separable() {
			prior = SeparablePrior
		}
		copy(start, theta)
		w.fit(start, prior)
		for i, p := range w.points(start, anchor, o.AnchorRating) {
			if w.fought[i] { // else the draw says nothing of it
				all[i] = append(all[i], p)
			}
		}
	}
	tail := (1 - o.Confidence) / 2
	for i, points := range all {
		if len(points) > 0 {
			slices.Sort(points)
			f.ratings[i].Low, f.ratings[i].High = percentile(points, tail), percentile(points, 1-tail)
		}
	}
}

// percentile is the value below which a share of sorted values lies, interpolated between neighbours.
func percentile(sorted []float64, share float64) float64 {
	at := share * float64(len(sorted)-1)
	low := int(at)
	high := min(low+1, len(sorted)-1)
	return sorted[low] + (at-float64(low))*(sorted[high]-sorted[low])
}
