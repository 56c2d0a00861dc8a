package readmodel

import (
	"time"

	"millrace/event"
)

// Contest is a contest as it stands.
type Contest struct {
	event.ContestOpened
	Seq      uint64     `json:"seq"`
	At       time.Time  `json:"at"`
	ClosedAt *time.Time `json:"closed_at,omitempty"`
	ClosedBy string     `json:"closed_by,omitempty"`
	Humans   int64      `json:"humans"` // votes that count
	Models   int64      `json:"models"` // the undecided ones too
	// Changed is the place of the newest fact about it: whoever keeps what votes amount to asks again when it differs.
	Changed uint64 `json:"changed"`
}

// Vote is a vote that counts.
type Vote struct {
	event.VoteCast
	Seq uint64    `json:"vote_seq"`
	At  time.Time `json:"at"`
}

// contestOpened keeps the first word on a contest.
func (f *fold) contestOpened(e event.ContestOpened) error {
	if f.v.get(tableContest, "", parts(string(e.Contest))) != nil {
		return nil
	}
	return f.saveContest(Contest{ContestOpened: e, Seq: f.env.Seq, At: f.at})
}

// contestClosed ends the voting: later votes do not count.
func (f *fold) contestClosed(e event.ContestClosed) error {
	c, ok, err := f.contest(e.Contest)
	if err != nil || !ok || c.ClosedAt != nil {
		return err
	}
	c.ClosedAt, c.ClosedBy = &f.at, e.By
	return f.saveContest(c)
}

// voteCast keeps the last word of a rater on a question, and counts it. A vote that is withdrawn is forgotten.
func (f *fold) voteCast(e event.VoteCast) error {
	c, ok, err := f.contest(e.Contest)
	if err != nil || !ok || c.ClosedAt != nil {
		return err
	}
	if n := len(c.Entries); e.A < 0 || e.A >= n || e.B < 0 || e.B >= n {
		return nil
	}
	group, rest := string(e.Contest), parts(e.Judge, e.Rater, string(e.Vote))
	if raw := f.v.get(tableVote, group, rest); raw != nil {
		old, err := decode[Vote](raw)
		if err != nil {
			return err
		}
		*c.votes(old.Judge)--
	}
	if e.Withdrawn {
		f.pending.remove(tableVote, group, rest)
	} else {
		*c.votes(e.Judge)++
		if err := f.put(tableVote, group, rest, Vote{e, f.env.Seq, f.at}); err != nil {
			return err
		}
	}
	return f.saveContest(c)
}

func (c *Contest) votes(judge string) *int64 {
	if judge == event.ModelJudge {
		return &c.Models
	}
	return &c.Humans
}

func (f *fold) contest(id event.ContestID) (c Contest, ok bool, err error) {
	raw := f.v.get(tableContest, "", parts(string(id)))
	if raw == nil {
		return c, false, nil
	}
	c, err = decode[Contest](raw)
	return c, err == nil, err
}

func (f *fold) saveContest(c Contest) error {
	c.Changed = f.env.Seq
	return f.put(tableContest, "", parts(string(c.Contest)), c)
}
