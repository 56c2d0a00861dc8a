package rating

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// ErrUndefined is returned where there is no telling: too few labels, or all the same, so that chance alone would agree.
var ErrUndefined = errors.New("rating: agreement is undefined: there are too few labels, or all are the same")

// Agreement is how far raters agree: (Observed - Expected) / (1 - Expected), which is 1 when they always do and 0 when they do as often
// as by chance.
type Agreement struct {
	Value    float64 `json:"value"`
	Observed float64 `json:"observed"` // share of pairs of labels that agree
	Expected float64 `json:"expected"` // by chance
	Items    int     `json:"items"`
}

func agreement(observed, expected float64, items int) (Agreement, error) {
	a := Agreement{Observed: observed, Expected: expected, Items: items}
	if items == 0 || !(1-expected > 1e-15) {
		return a, ErrUndefined
	}
	a.Value = (observed - expected) / (1 - expected)
	return a, nil
}

// Cohen is Cohen's κ (1960) of two raters: one pair of labels an item. It fails with ErrUndefined.
func Cohen(pairs [][2]string) (Agreement, error) {
	n := float64(len(pairs))
	first, second := map[string]float64{}, map[string]float64{}
	same := 0.0
	for _, p := range pairs {
		first[p[0]]++
		second[p[1]]++
		if p[0] == p[1] {
			same++
		}
	}
	chance := 0.0
	for _, label := range sortedKeys(first) {
		chance += first[label] * second[label] / max(n*n, 1)
	}
	return agreement(same/max(n, 1), chance, len(pairs))
}

// Fleiss is Fleiss' κ (1971) of labels of items, by whomever: every item has as many labels, two or more. It fails with ErrUndefined,
// and where items have more and fewer labels, for which there is Krippendorff.
func Fleiss(items [][]string) (Agreement, error) {
	if len(items) == 0 {
		return Agreement{}, ErrUndefined
	}
	raters := len(items[0])
	if raters < 2 {
		return Agreement{Items: len(items)}, ErrUndefined
	}
	all, observed := map[string]float64{}, 0.0
	for i, labels := range items {
		if len(labels) != raters {
			return Agreement{}, fmt.Errorf("rating: item %d has %d labels and the first has %d: Fleiss' κ wants as many of each", i+1, len(labels), raters)
		}
		counts := count(labels)
		pairs := 0.0
		for label, c := range counts {
			all[label] += c
			pairs += c * (c - 1)
		}
		observed += pairs / float64(raters*(raters-1)) / float64(len(items))
	}
	expected, total := 0.0, float64(raters*len(items))
	for _, label := range sortedKeys(all) {
		expected += all[label] / total * (all[label] / total)
	}
	return agreement(observed, expected, len(items))
}

// Distance is how far two labels are apart for Krippendorff's α.
type Distance string

// The distances.
const (
	Nominal  Distance = "nominal"  // 1 unless they are the same
	Interval Distance = "interval" // the square of the difference of two numbers
)

// MaxLabels bounds how many different labels there are.
const MaxLabels = 1000

// Krippendorff is Krippendorff's α (2011) of labels of items, however many each has: items with fewer than two say nothing. Observed and
// Expected are 1 less the disagreement, which for Interval may be below 0. It fails with ErrUndefined, and with Interval where a label is
// no number.
func Krippendorff(items [][]string, d Distance) (Agreement, error) {
	total, all, used := 0.0, map[string]float64{}, 0
	var counted []map[string]float64
	for _, labels := range items {
		if len(labels) < 2 {
			continue
		}
		used++
		counts := count(labels)
		counted = append(counted, counts)
		for label, c := range counts {
			all[label] += c
		}
		total += float64(len(labels))
	}
	labels := sortedKeys(all)
	if len(labels) > MaxLabels {
		return Agreement{}, fmt.Errorf("rating: %d different labels: at most %d", len(labels), MaxLabels)
	}
	apart, err := distances(labels, d)
	if err != nil {
		return Agreement{}, err
	}
	observed, expected := 0.0, 0.0
	for _, counts := range counted {
		inside, n := 0.0, 0.0
		for _, c := range counts {
			n += c
		}
		for i, x := range labels {
			if counts[x] == 0 {
				continue
			}
			for j, y := range labels {
				inside += counts[x] * counts[y] * apart(i, j)
			}
		}
		observed += inside / (n - 1) / max(total, 1)
	}
	for i, x := range labels {
		for j, y := range labels {
			expected += all[x] * all[y] * apart(i, j) / max(total*(total-1), 1)
		}
	}
	return agreement(1-observed, 1-expected, used)
}

// distances returns how far labels are apart, by their numbers.
func distances(labels []string, d Distance) (func(i, j int) float64, error) {
	switch d {
	case Nominal, "":
		return func(i, j int) float64 {
			if i == j {
				return 0
			}
			return 1
		}, nil
	case Interval:
		values := make([]float64, len(labels))
		for i, l := range labels {
			v, err := strconv.ParseFloat(l, 64)
			if err != nil {
				return nil, fmt.Errorf("rating: label %q is no number: %w", l, err)
			}
			values[i] = v
		}
		return func(i, j int) float64 { return (values[i] - values[j]) * (values[i] - values[j]) }, nil
	}
	return nil, fmt.Errorf("rating: there is no distance %q; there are nominal and interval", d)
}

func count(labels []string) map[string]float64 {
	out := map[string]float64{}
	for _, l := range labels {
		out[l]++
	}
	return out
}

// sortedKeys makes sums the same each time.
func sortedKeys(m map[string]float64) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
