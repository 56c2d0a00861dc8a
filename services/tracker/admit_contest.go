package tracker

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"millrace/event"
	"millrace/storage/readmodel"
)

// Bounds on contests and votes.
const (
	maxGuidelines = 20_000 // bytes
	maxEntries    = 20
	maxRater      = 64 // bytes
	maxComment    = 2_000
	maxOverlap    = 100
	maxDaily      = 100_000
)

// The defaults of a contest.
const (
	defaultOverlap = 2
	defaultDaily   = 500
)

// admitContest completes what is said of contests.
func (t *Tracker) admitContest(wish event.Event) (event.Event, error) {
	switch w := wish.(type) {
	case event.ContestOpened:
		return t.admitContestOpened(w)
	case event.ContestClosed:
		c, err := t.contest(w.Contest)
		if err != nil {
			return nil, err
		}
		w.Contest = c.Contest
		return w, nil
	case event.VoteCast:
		return t.admitVote(w)
	}
	return nil, refuse(Invalid, "", "", "%s is not a wish", wish.Type())
}

func (t *Tracker) admitContestOpened(w event.ContestOpened) (event.Event, error) {
	w.Name = strings.TrimSpace(w.Name)
	least := 2
	if w.Mode == event.Scale {
		least = 1
	}
	switch {
	case w.Name == "" || len(w.Name) > maxName:
		return nil, refuse(Invalid, "name", "", "a contest's name has 1-%d bytes", maxName)
	case w.Mode != event.Pairs && w.Mode != event.Scale:
		return nil, refuse(Invalid, "mode", "", "%.20q is no mode; there are %s and %s", w.Mode, event.Pairs, event.Scale)
	case len(w.Guidelines) > maxGuidelines:
		return nil, refuse(Invalid, "guidelines", "", "guidelines have at most %d bytes", maxGuidelines)
	case len(w.Entries) < least || len(w.Entries) > maxEntries:
		return nil, refuse(Invalid, "evaluations", "", "%d evaluations; a contest in mode %s has %d to %d", len(w.Entries), w.Mode, least, maxEntries)
	case w.Items < 1:
		return nil, refuse(Invalid, "evaluations", "compare evaluations of one suite that has a task of kind generate", "there is no prompt to which every entry has an answer; %d have one of some", w.Missing)
	}
	for _, e := range w.Entries {
		if e.Label == "" || len(e.Label) > maxName || !e.Results.Valid() {
			return nil, refuse(Invalid, "evaluations", "", "entry %.80q has no name of 1-%d bytes, or no answers", e.Label, maxName)
		}
	}
	if w.Overlap == 0 {
		w.Overlap = defaultOverlap
	}
	if w.DailyVotes == 0 {
		w.DailyVotes = defaultDaily
	}
	switch {
	case w.Overlap < 1 || w.Overlap > maxOverlap:
		return nil, refuse(Invalid, "overlap", "", "overlap is %d: want 1 to %d", w.Overlap, maxOverlap)
	case w.DailyVotes < 1 || w.DailyVotes > maxDaily:
		return nil, refuse(Invalid, "dailyVotes", "", "dailyVotes is %d: want 1 to %d", w.DailyVotes, maxDaily)
	}
	all, err := t.Model.Contests()
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(all, func(c readmodel.Contest) bool { return c.Name == w.Name && c.ClosedAt == nil }) {
		return nil, refuse(Conflict, "name", "close that one first, or choose another name", "a contest named %q is open", w.Name)
	}
	id, err := t.newID()
	if err != nil {
		return nil, err
	}
	var seed [8]byte
	if _, err := io.ReadFull(t.Random, seed[:]); err != nil {
		return nil, err
	}
	w.Contest, w.Seed = event.ContestID(id), int64(binary.LittleEndian.Uint64(seed[:])>>11) // exact in JSON elsewhere too
	return w, nil
}

// contest finds a contest by its id or name, and refuses one that is closed.
func (t *Tracker) contest(id event.ContestID) (readmodel.Contest, error) {
	c, err := t.Model.FindContest(string(id))
	switch {
	case errors.Is(err, readmodel.ErrNotFound):
		return c, refuse(NotFound, "contest", "list them with: millrace contest list", "there is no contest %.80q", id)
	case err != nil:
		return c, err
	case c.ClosedAt != nil:
		return c, refuse(Conflict, "contest", "open another one with: millrace contest open", "contest %s is closed", c.Name)
	}
	return c, nil
}

// admitVote completes a person's vote. Judges publish theirs themselves.
func (t *Tracker) admitVote(w event.VoteCast) (event.Event, error) {
	c, err := t.contest(w.Contest)
	if err != nil {
		return nil, err
	}
	w.Contest, w.Judge, w.Run = c.Contest, event.Human, ""
	if w.Rater = strings.TrimSpace(w.Rater); !nameOfRater(w.Rater) {
		return nil, refuse(Invalid, "rater", "", "a rater's name has 1-%d bytes, all of which can be seen", maxRater)
	}
	n, pairs := len(c.Entries), c.Mode == event.Pairs
	if w.A < 0 || w.A >= n || w.B < 0 || w.B >= n || (w.A == w.B) == pairs || w.Item == "" || len(w.Item) > maxValue {
		return nil, refuse(Invalid, "item", "", "the vote is about entries %d and %d of %d, and item %.80q: that is no question of the contest", w.A, w.B, n, w.Item)
	}
	w.Vote = event.HumanVote(c.Contest, w.Rater, w.Item, w.A, w.B)
	mine, err := t.Model.VotesBy(c.Contest, w.Rater)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(mine, func(v readmodel.Vote) bool { return v.Vote == w.Vote })
	if w.Withdrawn {
		if at < 0 {
			return nil, refuse(NotFound, "vote", "", "%s has no vote on that", w.Rater)
		}
		v := mine[at].VoteCast
		v.Withdrawn = true
		return v, nil
	}
	switch sided := slices.Contains([]string{event.ChooseA, event.ChooseB, event.Tie, event.BothBad}, w.Choice); {
	case pairs && (!sided || w.Score != 0):
		return nil, refuse(Invalid, "choice", "", "%.20q is no choice between two answers: want a, b, tie or both_bad, and no score", w.Choice)
	case !pairs && (w.Choice != event.Scored || w.Score < 1 || w.Score > 5):
		return nil, refuse(Invalid, "score", "", "score is %d: want 1 to 5", w.Score)
	case len(w.Comment) > maxComment:
		return nil, refuse(Invalid, "comment", "", "a comment has at most %d bytes", maxComment)
	}
	if s := float64(w.Seconds); math.IsNaN(s) || s < 0 {
		w.Seconds = 0
	}
	w.Seconds = min(w.Seconds, 24*3600)
	today := int64(0)
	for _, v := range mine {
		if v.At.UTC().Format(time.DateOnly) == t.Now().UTC().Format(time.DateOnly) {
			today++
		}
	}
	if at < 0 && today >= c.DailyVotes {
		return nil, refuse(Conflict, "rater", "go on tomorrow (UTC)", "%s has cast %d votes today, which is what the contest takes of one person", w.Rater, today)
	}
	return w, nil
}

func nameOfRater(s string) bool {
	return s != "" && len(s) <= maxRater && utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}
