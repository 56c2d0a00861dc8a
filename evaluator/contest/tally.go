package contest

import (
	"cmp"
	"slices"

	"millrace/event"
)

// Of says whose votes count for ratings.
type Of struct {
	Humans, Models bool
	// Run lets of models only this judge's votes count, if it is not "".
	Run event.RunID
}

// Tally is what the votes of a contest amount to.
type Tally struct {
	Standings []Standing
	// Matches has of every entry (row) how it did against every other (column); nil of a scale.
	Matches [][]Match
	Raters  []Rater // people first, then judges; most votes first
	// People is how far people agree with each other; nil with fewer than two of them.
	People *Agreement
	// Questions is how many different ones there are, Begun how many of them a person has answered, Done how many Overlap people have.
	Questions, Begun, Done int64
}

// Standing is where an entry stands by the votes that were asked for.
type Standing struct {
	Entry             int
	Won, Lost, Tied   int64
	Rating, Low, High float64 // Bradley-Terry, with its 95 % bootstrap interval; Rated says whether there is one
	Rated             bool
	// Mean is the mean score of a scale, with its standard error (0 of one vote), over N votes.
	Mean, Stderr float64
	N            int64
}

// Match is how one entry did against another.
type Match struct{ Won, Lost, Tied int64 }

// Rater is one person, or one run of a judge.
type Rater struct {
	Name             string
	Judge            string // event.Human or event.ModelJudge
	Run              event.RunID
	Votes, Undecided int64
	// Of the votes for one side: how many, and how many were for the one that was shown first. Half is what a rater does whom the order
	// does not sway.
	Sided, First int64
	// Both counts questions that were answered in both orders, Turned those of them whose answer turned with the order.
	Both, Turned int64
	// Humans is how far a judge agrees with people; nil where no question has both.
	Humans *Agreement
}

// Agreement is how far raters agree beyond chance.
type Agreement struct {
	Kind   string  // "cohen" of two, "fleiss" of more
	Kappa  float64 // 1 is full agreement, 0 is that of chance; NaN where all votes are the same, which chance explains
	Raters int
	Items  int64   // questions that count
	Same   float64 // share of agreeing pairs of votes, chance included
}

// verdict is a vote as it is about entries, not sides.
type verdict struct {
	asked
	rater string // of a judge its run
	// of is 0 where the pair's lesser entry is better, 1 where the other is, 2 of a tie, 3 where both are bad; of a scale the score.
	of int
}

// The verdicts on pairs.
const (
	lesser = iota
	greater
	tied
	bad
)

// scores is how many scores a scale has.
const scores = 5

// Count says what votes amount to. Each is one that counts, and about the contest; which count for ratings says of.
func (c Contest) Count(votes []event.VoteCast, of Of) (Tally, error) {
	t := Tally{Raters: raters(votes), Questions: int64(len(c.Pairs())) * c.ContestOpened.Items}
	people, judges := c.verdicts(votes)
	byQuestion := map[asked]int64{}
	for _, v := range people {
		byQuestion[v.asked]++
	}
	for _, n := range byQuestion {
		t.Begun++
		if n >= c.Overlap {
			t.Done++
		}
	}
	t.People = c.agreement(people)
	c.biases(votes, t.Raters)
	majority := c.majority(people)
	for i, r := range t.Raters {
		if r.Judge == event.ModelJudge {
			t.Raters[i].Humans = c.against(majority, judges, r.Run)
		}
	}
	var counted []verdict
	if of.Humans {
		counted = append(counted, people...)
	}
	if of.Models {
		for _, v := range judges {
			if of.Run == "" || v.rater == string(of.Run) {
				counted = append(counted, v)
			}
		}
	}
	return t, c.stand(&t, counted)
}

// raters lists who has voted.
func raters(votes []event.VoteCast) []Rater {
	type name struct {
		name string
		run  event.RunID
	}
	at, out := map[name]int{}, []Rater(nil)
	for _, v := range votes {
		k := name{v.Rater, v.Run}
		i, ok := at[k]
		if !ok {
			i, at[k] = len(out), len(out)
			out = append(out, Rater{Name: v.Rater, Judge: v.Judge, Run: v.Run})
		}
		out[i].Votes++
		switch {
		case v.Choice == event.Undecided:
			out[i].Undecided++
		case v.Choice == event.ChooseA:
			out[i].Sided++
			out[i].First++
		case v.Choice == event.ChooseB:
			out[i].Sided++
		}
	}
	slices.SortStableFunc(out, func(a, b Rater) int {
		return cmp.Or(cmp.Compare(a.Judge, b.Judge), cmp.Compare(b.Votes, a.Votes))
	})
	return out
}

// verdictOf turns a vote from sides to entries; false of an undecided one.
func verdictOf(v event.VoteCast) (verdict, bool) {
	out := verdict{asked: about(v), rater: v.Rater}
	if v.Judge == event.ModelJudge {
		out.rater = string(v.Run)
	}
	turned := v.A > v.B
	switch v.Choice {
	case event.ChooseA, event.ChooseB:
		out.of = lesser
		if (v.Choice == event.ChooseB) != turned {
			out.of = greater
		}
	case event.Tie:
		out.of = tied
	case event.BothBad:
		out.of = bad
	case event.Scored:
		out.of = v.Score
	default:
		return out, false
	}
	return out, true
}

// verdicts splits votes into those of people and those of judges. What a judge says of a pair in both orders is one verdict: a tie, when it
// turns with the order.
func (c Contest) verdicts(votes []event.VoteCast) (people, judges []verdict) {
	type by struct {
		asked
		rater string
	}
	at := map[by]int{}
	for _, vote := range votes {
		v, ok := verdictOf(vote)
		if !ok {
			continue
		}
		if vote.Judge == event.Human {
			people = append(people, v)
			continue
		}
		i, again := at[by{v.asked, v.rater}]
		if !again {
			at[by{v.asked, v.rater}] = len(judges)
			judges = append(judges, v)
		} else if judges[i].of != v.of {
			judges[i].of = tied
		}
	}
	return people, judges
}

// biases counts how judges' answers turn with the order.
func (c Contest) biases(votes []event.VoteCast, list []Rater) {
	type by struct {
		asked
		run event.RunID
	}
	first := map[by]verdict{}
	for _, vote := range votes {
		v, ok := verdictOf(vote)
		if !ok || vote.Judge != event.ModelJudge || vote.A == vote.B {
			continue
		}
		k := by{v.asked, vote.Run}
		was, again := first[k]
		if !again {
			first[k] = v
			continue
		}
		i := slices.IndexFunc(list, func(r Rater) bool { return r.Run == vote.Run && r.Name == vote.Rater })
		list[i].Both++
		if was.of != v.of {
			list[i].Turned++
		}
	}
}

// majority is what most people say about each question; where two answers have as many, a tie, and of a scale the one nearer its middle.
func (c Contest) majority(people []verdict) map[asked]int {
	counts := map[asked]*[scores + 1]int{}
	for _, v := range people {
		if counts[v.asked] == nil {
			counts[v.asked] = new([scores + 1]int)
		}
		counts[v.asked][v.of]++
	}
	out := map[asked]int{}
	for q, n := range counts {
		most, several := 0, false
		for k := range n {
			switch {
			case n[k] > n[most]:
				most, several = k, false
			case n[k] == n[most] && k != most:
				several = true
				if c.Mode == event.Scale && distance(k) < distance(most) {
					most = k
				}
			}
		}
		if several && c.Mode != event.Scale {
			most = tied
		}
		out[q] = most
	}
	return out
}

func distance(score int) int { return max(score-3, 3-score) }
