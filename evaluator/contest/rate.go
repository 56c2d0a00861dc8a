package contest

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"

	"millrace/evaluator/rating"
	"millrace/event"
)

// draws is how many bootstrap samples an interval is of.
const draws = 200

// stand finds out where entries stand by verdicts.
func (c Contest) stand(t *Tally, verdicts []verdict) error {
	t.Standings = make([]Standing, len(c.Entries))
	for i := range t.Standings {
		t.Standings[i].Entry = i
	}
	if c.Mode == event.Scale {
		c.means(t.Standings, verdicts)
		return nil
	}
	t.Matches = make([][]Match, len(c.Entries))
	for i := range t.Matches {
		t.Matches[i] = make([]Match, len(c.Entries))
	}
	battles := make([]rating.Battle, 0, len(verdicts))
	for _, v := range verdicts {
		a, b := v.pair[0], v.pair[1]
		won, lost, outcome := &t.Matches[a][b], &t.Matches[b][a], rating.Tie
		switch v.of {
		case lesser:
			won.Won++
			lost.Lost++
			outcome = rating.A
		case greater:
			won.Lost++
			lost.Won++
			outcome = rating.B
		default:
			won.Tied++
			lost.Tied++
			if v.of == bad {
				outcome = rating.BothBad
			}
		}
		battles = append(battles, rating.Battle{A: name(a), B: name(b), Outcome: outcome})
	}
	for i, row := range t.Matches {
		s := &t.Standings[i]
		for _, m := range row {
			s.Won += m.Won
			s.Lost += m.Lost
			s.Tied += m.Tied
		}
		s.N = s.Won + s.Lost + s.Tied
	}
	if len(battles) == 0 {
		return nil
	}
	// Entries that never met anybody have no rating; the order of battles must not decide a bootstrap.
	slices.SortFunc(battles, func(x, y rating.Battle) int {
		return cmp.Or(cmp.Compare(x.A, y.A), cmp.Compare(x.B, y.B), cmp.Compare(x.Outcome, y.Outcome))
	})
	r, err := rating.BradleyTerry(battles, rating.Options{Bootstrap: draws, Seed: uint64(c.Seed)})
	if err != nil {
		return fmt.Errorf("contest: %w", err)
	}
	for _, x := range r.Ratings {
		i, err := strconv.Atoi(x.Model)
		if err != nil {
			return fmt.Errorf("contest: %w", err)
		}
		s := &t.Standings[i]
		s.Rating, s.Low, s.High, s.Rated = x.Rating, x.Low, x.High, true
	}
	slices.SortStableFunc(t.Standings, func(x, y Standing) int { return cmp.Compare(rank(y), rank(x)) })
	return nil
}

func rank(s Standing) float64 {
	if !s.Rated {
		return math.Inf(-1)
	}
	return s.Rating
}

// name is an entry's among battles: names of one length, which sort as the entries do.
func name(entry int) string { return fmt.Sprintf("%02d", entry) }

// means sums up scores.
func (c Contest) means(list []Standing, verdicts []verdict) {
	values := make([][]float64, len(list))
	for _, v := range verdicts {
		values[v.pair[0]] = append(values[v.pair[0]], float64(v.of))
	}
	for i, of := range values {
		s, n := &list[i], float64(len(of))
		if s.N = int64(len(of)); n == 0 {
			continue
		}
		for _, x := range of {
			s.Mean += x / n
		}
		if n < 2 {
			continue
		}
		squares := 0.0
		for _, x := range of {
			squares += (x - s.Mean) * (x - s.Mean)
		}
		s.Stderr = math.Sqrt(squares / (n - 1) / n)
	}
	slices.SortStableFunc(list, func(x, y Standing) int {
		return cmp.Or(cmp.Compare(y.Mean, x.Mean), cmp.Compare(x.Entry, y.Entry))
	})
}

// agreement is Cohen's κ where two people have answered the same questions, and Fleiss' where more have. Fleiss' wants as many votes on every
// question: of the numbers of votes that questions have, it takes the one with the most votes in all.
func (c Contest) agreement(people []verdict) *Agreement {
	of := map[asked]map[string]int{}
	for _, v := range people {
		if of[v.asked] == nil {
			of[v.asked] = map[string]int{}
		}
		of[v.asked][v.rater] = v.of
	}
	names, having := map[string]bool{}, map[int]int{} // questions by how many votes they have
	for _, by := range of {
		if len(by) < 2 {
			continue
		}
		having[len(by)]++
		for who := range by {
			names[who] = true
		}
	}
	if len(names) < 2 {
		return nil
	}
	if len(names) == 2 {
		order := make([]string, 0, 2)
		for who := range names {
			order = append(order, who)
		}
		slices.Sort(order)
		var pairs [][2]string
		for _, by := range of {
			if len(by) == 2 {
				pairs = append(pairs, [2]string{label(by[order[0]]), label(by[order[1]])})
			}
		}
		return cohen(pairs)
	}
	most := 0
	for n, questions := range having {
		if have := most * having[most]; n*questions > have || n*questions == have && n > most {
			most = n
		}
	}
	var items [][]string
	for _, by := range of {
		if len(by) != most {
			continue
		}
		labels := make([]string, 0, most)
		for _, v := range by {
			labels = append(labels, label(v))
		}
		items = append(items, labels)
	}
	a, err := rating.Fleiss(items)
	return said("fleiss", a, err, len(names), len(items))
}

// against is how far a judge agrees with what most people say.
func (c Contest) against(majority map[asked]int, judges []verdict, run event.RunID) *Agreement {
	var pairs [][2]string
	for _, v := range judges {
		if most, ok := majority[v.asked]; ok && v.rater == string(run) {
			pairs = append(pairs, [2]string{label(most), label(v.of)})
		}
	}
	if len(pairs) == 0 {
		return nil
	}
	return cohen(pairs)
}

func cohen(pairs [][2]string) *Agreement {
	a, err := rating.Cohen(pairs)
	return said("cohen", a, err, 2, len(pairs))
}

// said has κ as NaN where chance explains everything.
func said(kind string, a rating.Agreement, err error, raters, items int) *Agreement {
	if err != nil { // rating.ErrUndefined
		a.Value = math.NaN()
	}
	return &Agreement{Kind: kind, Kappa: a.Value, Raters: raters, Items: int64(items), Same: a.Observed}
}

func label(of int) string { return strconv.Itoa(of) }
