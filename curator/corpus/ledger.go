package corpus

import (
	"cmp"
	"maps"
	"slices"
)

// MaxExamples is how many dropped documents are kept as examples of each reason: the first ones.
const MaxExamples = 5

// Ledger counts what was dropped, by reason. The zero value is empty and ready.
type Ledger struct {
	reasons map[string]*Tally
}

// Tally is what was dropped for one reason.
type Tally struct {
	Reason    string
	Documents int64
	Bytes     int64
	Examples  []Drop // in order, at most MaxExamples
}

// Add counts one drop.
func (l *Ledger) Add(d Drop) {
	if l.reasons == nil {
		l.reasons = map[string]*Tally{}
	}
	t := l.reasons[d.Reason]
	if t == nil {
		t = &Tally{Reason: d.Reason}
		l.reasons[d.Reason] = t
	}
	t.Documents++
	t.Bytes += d.Bytes
	if len(t.Examples) < MaxExamples {
		t.Examples = append(t.Examples, d)
	}
}

// Documents is how many were dropped for any reason.
func (l *Ledger) Documents() int64 {
	var n int64
	for _, t := range l.reasons {
		n += t.Documents
	}
	return n
}

// Tallies are the reasons with what they took, by name.
func (l *Ledger) Tallies() []Tally {
	var all []Tally
	for t := range maps.Values(l.reasons) {
		all = append(all, *t)
	}
	slices.SortFunc(all, func(a, b Tally) int { return cmp.Compare(a.Reason, b.Reason) })
	return all
}
