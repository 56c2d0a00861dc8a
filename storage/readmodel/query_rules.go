package readmodel

import (
	"cmp"
	"fmt"
	"slices"

	"millrace/event"
)

// Rules lists the automations, in the order in which they were made.
func (m *Model) Rules() ([]Rule, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var out []Rule
	for _, r := range m.rules {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b Rule) int { return cmp.Compare(a.Seq, b.Seq) })
	return out, nil
}

// Rule returns an automation. Errors: ErrNotFound.
func (m *Model) Rule(id event.RuleID) (Rule, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	r, ok := m.rules[id]
	if !ok {
		return Rule{}, fmt.Errorf("rule %q: %w", id, ErrNotFound)
	}
	return r, nil
}

// Fired tells how often a version of a rule fired for a run; the zero value when it did not.
func (m *Model) Fired(rule event.RuleID, version int64, run event.RunID) (n Fired, err error) {
	err = m.read(func(v view) (err error) {
		if raw := v.get(tableFired, string(rule), parts(string(run), version)); raw != nil {
			n, err = decode[Fired](raw)
		}
		return err
	})
	return n, err
}

// FiringFilter picks deeds of rules; the zero value means all.
type FiringFilter struct {
	Rule event.RuleID
	Run  event.RunID
}

// Firings lists what rules did, newest first, at most n (≤ 0: 100). Those of removed rules are kept.
func (m *Model) Firings(f FiringFilter, n int) ([]Firing, error) {
	if n <= 0 {
		n = 100
	}
	keep := func(x Firing) bool { return f.Run == "" || x.Run == f.Run }
	var out []Firing
	err := m.read(func(v view) (err error) {
		if f.Rule != "" {
			out, err = list(v, tableFiring, string(f.Rule), span{backward: true}, n, keep)
			return err
		}
		v.scan(tableFiringOrder, "", span{backward: true}, func(rest, rule []byte) bool {
			raw := v.get(tableFiring, string(rule), string(rest))
			if raw == nil {
				return true
			}
			var x Firing
			if x, err = decode[Firing](raw); err != nil {
				return false
			}
			if keep(x) {
				out = append(out, x)
			}
			return len(out) < n
		})
		return err
	})
	return out, err
}
