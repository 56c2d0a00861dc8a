package readmodel

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"millrace/event"
)

// Contests lists contests, newest first.
func (m *Model) Contests() (out []Contest, err error) {
	err = m.read(func(v view) error {
		out, err = list[Contest](v, tableContest, "", span{}, 0, nil)
		return err
	})
	return newest(out, func(c Contest) uint64 { return c.Seq }), err
}

// ContestsOf lists the contests that judge one of some runs, newest first.
func (m *Model) ContestsOf(runs ...event.RunID) ([]Contest, error) {
	all, err := m.Contests()
	judged := func(e event.ContestEntry) bool { return slices.Contains(runs, e.Of) }
	return slices.DeleteFunc(all, func(c Contest) bool { return !slices.ContainsFunc(c.Entries, judged) }), err
}

// Contest returns a contest. Errors: ErrNotFound.
func (m *Model) Contest(id event.ContestID) (c Contest, err error) {
	err = m.read(func(v view) error {
		raw := v.get(tableContest, "", parts(string(id)))
		if raw == nil {
			return fmt.Errorf("contest %q: %w", id, ErrNotFound)
		}
		c, err = decode[Contest](raw)
		return err
	})
	return c, err
}

// FindContest returns a contest by its id, or the newest with a name, an open one before a closed one. Errors: ErrNotFound.
func (m *Model) FindContest(idOrName string) (Contest, error) {
	if c, err := m.Contest(event.ContestID(idOrName)); !errors.Is(err, ErrNotFound) {
		return c, err
	}
	all, err := m.Contests()
	if err != nil {
		return Contest{}, err
	}
	for _, open := range []bool{true, false} {
		if i := slices.IndexFunc(all, func(c Contest) bool { return c.Name == idOrName && (c.ClosedAt == nil) == open }); i >= 0 {
			return all[i], nil
		}
	}
	return Contest{}, fmt.Errorf("contest %q: %w", idOrName, ErrNotFound)
}

// Votes lists the votes of a contest that count, in the order in which they were cast, and the place of the newest fact about it.
func (m *Model) Votes(id event.ContestID) (out []Vote, changed uint64, err error) {
	err = m.read(func(v view) error {
		raw := v.get(tableContest, "", parts(string(id)))
		if raw == nil {
			return fmt.Errorf("contest %q: %w", id, ErrNotFound)
		}
		c, err := decode[Contest](raw)
		if err != nil {
			return err
		}
		changed = c.Changed
		out, err = list[Vote](v, tableVote, string(id), span{}, 0, nil)
		return err
	})
	slices.SortFunc(out, func(a, b Vote) int { return cmp.Compare(a.Seq, b.Seq) })
	return out, changed, err
}

// VotesBy lists the votes of a person in a contest that count, by vote.
func (m *Model) VotesBy(id event.ContestID, rater string) (out []Vote, err error) {
	err = m.read(func(v view) error {
		out, err = list[Vote](v, tableVote, string(id), span{prefix: parts(event.Human, rater)}, 0, nil)
		return err
	})
	return out, err
}

// EvaluationBy returns the verdict that a run of kind evaluate gave. Errors: ErrNotFound.
func (m *Model) EvaluationBy(run event.RunID) (Evaluation, error) {
	all, err := m.Evaluations(EvaluationFilter{By: run})
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("evaluation by run %q: %w", run, ErrNotFound)
	}
	if err != nil {
		return Evaluation{}, err
	}
	return all[len(all)-1], nil
}
