package graph

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"slices"
	"time"

	"millrace/evaluator"
	"millrace/evaluator/contest"
	"millrace/event"
	"millrace/graph/internal/gen"
	"millrace/graph/internal/view"
	"millrace/storage/readmodel"
)

// maxPlacesOf bounds how many contests a run shows.
const maxPlacesOf = 20

// contestNamed finds one by id or name, nil when there is none.
func (r *resolver) contestNamed(id string) (*view.Contest, error) {
	c, err := r.Model.FindContest(id)
	if errors.Is(err, readmodel.ErrNotFound) {
		return nil, nil
	}
	return &view.Contest{Contest: c}, err
}

// question is what a person is asked next.
func (r *resolver) question(ctx context.Context, id, rater string) (*gen.JudgeQuestion, error) {
	c, err := r.Model.FindContest(id)
	if err != nil {
		return nil, err
	}
	if c.ClosedAt != nil {
		return nil, nil
	}
	asked, err := r.desk.contest(ctx, r.Blob, c)
	if err != nil {
		return nil, err
	}
	votes, err := r.desk.votes(r.Model, c)
	if err != nil {
		return nil, err
	}
	q, ok := asked.Next(votes, rater)
	if !ok {
		return nil, nil
	}
	return shown(asked, q), nil
}

func shown(c contest.Contest, q contest.Question) *gen.JudgeQuestion {
	out := &gen.JudgeQuestion{Item: q.Item.ID, Key: q.Key, Prompt: q.Item.Prompt, Left: q.Item.Answers[q.A]}
	if c.Mode == event.Pairs {
		out.Right = &q.Item.Answers[q.B]
	}
	return out
}

// shownBefore is a question that a person was shown, by its key.
func (r *resolver) shownBefore(ctx context.Context, id, rater, item, key string) (contest.Contest, contest.Question, error) {
	c, err := r.Model.FindContest(id)
	if err != nil {
		return contest.Contest{}, contest.Question{}, err
	}
	asked, err := r.desk.contest(ctx, r.Blob, c)
	if err != nil {
		return asked, contest.Question{}, err
	}
	q, ok := asked.Find(rater, item, key)
	if !ok {
		return asked, q, refusal{code: "INVALID", message: fmt.Sprintf("%.80q was not asked about item %.80q with this key", rater, item), hint: "ask for the next comparison, and send its item and key back", field: []string{"key"}}
	}
	return asked, q, nil
}

// castVote submits a person's answer, and asks on.
func (r *resolver) castVote(ctx context.Context, in gen.CastVoteInput) (*gen.CastVotePayload, error) {
	c, q, err := r.shownBefore(ctx, in.Contest, in.Rater, in.Item, in.Key)
	if err == nil {
		vote := event.VoteCast{Contest: c.Contest, Rater: in.Rater, Item: q.Item.ID, A: q.A, B: q.B, Seconds: event.Number(deref(in.Seconds)), Comment: deref(in.Comment)}
		switch {
		case in.Choice != nil && in.Score != nil:
			err = refusal{code: "INVALID", message: "a vote has a choice or a score, not both", field: []string{"score"}}
		case in.Choice != nil:
			vote.Choice = map[gen.VoteChoice]string{gen.VoteChoiceLeft: event.ChooseA, gen.VoteChoiceRight: event.ChooseB, gen.VoteChoiceTie: event.Tie, gen.VoteChoiceBothBad: event.BothBad}[*in.Choice]
		case in.Score != nil:
			vote.Choice, vote.Score = event.Scored, *in.Score
		}
		if err == nil {
			_, err = r.Tracker.Submit(ctx, vote)
		}
	}
	if err != nil {
		errs, err := r.userErrors(ctx, missing(err))
		return &gen.CastVotePayload{UserErrors: errs}, err
	}
	next, err := r.question(ctx, string(c.Contest), in.Rater)
	if err != nil {
		return nil, err
	}
	return r.voted(c, in.Rater, next)
}

// withdrawVote takes a person's answer back, and asks the same again.
func (r *resolver) withdrawVote(ctx context.Context, in gen.WithdrawVoteInput) (*gen.CastVotePayload, error) {
	c, q, err := r.shownBefore(ctx, in.Contest, in.Rater, in.Item, in.Key)
	if err == nil {
		_, err = r.Tracker.Submit(ctx, event.VoteCast{Contest: c.Contest, Rater: in.Rater, Item: q.Item.ID, A: q.A, B: q.B, Withdrawn: true})
	}
	if err != nil {
		errs, err := r.userErrors(ctx, missing(err))
		return &gen.CastVotePayload{UserErrors: errs}, err
	}
	return r.voted(c, in.Rater, shown(c, q))
}

func (r *resolver) voted(c contest.Contest, rater string, next *gen.JudgeQuestion) (*gen.CastVotePayload, error) {
	now, err := r.Model.Contest(c.Contest)
	if err != nil {
		return nil, err
	}
	progress, err := r.progress(now, rater)
	return &gen.CastVotePayload{Question: next, Progress: progress, UserErrors: []gen.UserError{}}, err
}

// missing makes of what is not there what its asker is told.
func missing(err error) error {
	if errors.Is(err, readmodel.ErrNotFound) {
		return refusal{code: "NOT_FOUND", message: err.Error(), hint: "list them with: millrace contest list", field: []string{"contest"}}
	}
	return err
}

// progress is how far a person is.
func (r *resolver) progress(c readmodel.Contest, rater string) (*gen.RaterProgress, error) {
	mine, err := r.Model.VotesBy(c.Contest, rater)
	if err != nil {
		return nil, err
	}
	p := &gen.RaterProgress{Votes: int64(len(mine)), DailyVotes: c.DailyVotes}
	today := r.Now().UTC().Format(time.DateOnly)
	for _, v := range mine {
		if v.At.UTC().Format(time.DateOnly) == today {
			p.Today++
		}
	}
	p.Questions = c.Items * int64(len(contest.Contest{ContestOpened: c.ContestOpened}.Pairs()))
	return p, nil
}

// tally is what votes amount to.
func (r *resolver) tally(c readmodel.Contest, of contest.Of) (*gen.ContestTally, error) {
	t, err := r.desk.tally(r.Model, c, of)
	if err != nil {
		return nil, err
	}
	out := &gen.ContestTally{Standings: standings(c, t, nil), Matches: []gen.ContestMatch{}, Raters: []gen.ContestRater{}, People: agreement(t.People), Questions: t.Questions, Begun: t.Begun, Done: t.Done}
	for a, row := range t.Matches {
		for b, m := range row {
			if m != (contest.Match{}) {
				out.Matches = append(out.Matches, gen.ContestMatch{Entry: a, Against: b, Won: m.Won, Lost: m.Lost, Tied: m.Tied})
			}
		}
	}
	for _, x := range t.Raters {
		g := gen.ContestRater{Name: x.Name, Model: x.Judge == event.ModelJudge, Votes: x.Votes, Undecided: x.Undecided, Sided: x.Sided, FirstShare: share(x.First, x.Sided), BothOrders: x.Both, TurnedShare: share(x.Turned, x.Both), Humans: agreement(x.Humans)}
		if x.Run != "" {
			g.Run = ptr(string(x.Run))
		}
		out.Raters = append(out.Raters, g)
	}
	return out, nil
}

func share(part, of int64) *event.Number {
	if of == 0 {
		return nil
	}
	return ptr(event.Number(float64(part) / float64(of)))
}

func agreement(a *contest.Agreement) *gen.RaterAgreement {
	if a == nil {
		return nil
	}
	out := &gen.RaterAgreement{Kind: a.Kind, Raters: a.Raters, Items: a.Items, Same: event.Number(a.Same)}
	if !math.IsNaN(a.Kappa) {
		out.Kappa = ptr(event.Number(a.Kappa))
	}
	return out
}

// standings are those of entries that keep is true of, nil for all.
func standings(c readmodel.Contest, t contest.Tally, keep func(event.ContestEntry) bool) []gen.ContestStanding {
	out := []gen.ContestStanding{}
	for _, s := range t.Standings {
		e := c.Entries[s.Entry]
		if keep != nil && !keep(e) {
			continue
		}
		g := gen.ContestStanding{Entry: s.Entry, Label: e.Label, Won: s.Won, Lost: s.Lost, Tied: s.Tied, Votes: s.N}
		if s.Rated {
			g.Rating, g.Low, g.High = ptr(event.Number(s.Rating)), ptr(event.Number(s.Low)), ptr(event.Number(s.High))
		}
		if c.Mode == event.Scale && s.N > 0 {
			g.Mean = ptr(event.Number(s.Mean))
			if s.N > 1 {
				g.Stderr = ptr(event.Number(s.Stderr))
			}
		}
		out = append(out, g)
	}
	return out
}

// placesOf tells where runs stand in contests.
func (r *resolver) placesOf(runs ...event.RunID) ([]gen.ContestPlaces, error) {
	list, err := r.Model.ContestsOf(runs...)
	if err != nil {
		return nil, err
	}
	out := []gen.ContestPlaces{}
	for _, c := range list[:min(len(list), maxPlacesOf)] {
		t, err := r.desk.tally(r.Model, c, contest.Of{Humans: true, Models: true})
		if err != nil {
			return nil, err
		}
		out = append(out, gen.ContestPlaces{Contest: &view.Contest{Contest: c}, Standings: standings(c, t, func(e event.ContestEntry) bool { return slices.Contains(runs, e.Of) })})
	}
	return out, nil
}

// openContest looks up what is to be judged, counts its items, and submits the wish.
func (r *resolver) openContest(ctx context.Context, in gen.OpenContestInput) (*view.Contest, error) {
	c := event.ContestOpened{
		Name: in.Name, Mode: event.Pairs, Guidelines: deref(in.Guidelines), Task: deref(in.Task), Overlap: deref(in.Overlap), DailyVotes: deref(in.DailyVotes), By: deref(in.By),
	}
	if in.Mode != nil {
		c.Mode = string(*in.Mode)
	}
	if len(in.Evaluations) > contest.MaxEntries {
		return nil, refusal{code: "INVALID", message: fmt.Sprintf("%d evaluations, at most %d", len(in.Evaluations), contest.MaxEntries), field: []string{"evaluations"}}
	}
	if len(in.Labels) > 0 && len(in.Labels) != len(in.Evaluations) {
		return nil, refusal{code: "INVALID", message: fmt.Sprintf("%d labels for %d evaluations", len(in.Labels), len(in.Evaluations)), field: []string{"labels"}}
	}
	for i, id := range in.Evaluations {
		e, err := r.answered(event.RunID(id), deref(in.Suite))
		if err != nil {
			return nil, err
		}
		if i == 0 {
			c.Suite, c.SuiteDigest = e.Suite, e.SuiteDigest
		}
		if e.SuiteDigest != c.SuiteDigest {
			return nil, refusal{code: "INVALID", message: fmt.Sprintf("%s answered suite %s (%s), the first one %s (%s)", id, e.Suite, e.SuiteDigest.Short(), c.Suite, c.SuiteDigest.Short()), hint: "evaluate all on one suite: millrace eval RUN --suite NAME", field: []string{"evaluations"}}
		}
		entry := event.ContestEntry{Evaluation: e.Run, Of: e.Of, Step: e.Step, Results: e.Results}
		if entry.Label, err = r.labelOf(e); err != nil {
			return nil, err
		}
		if len(in.Labels) > 0 {
			entry.Label = in.Labels[i]
		}
		for n := 2; slices.ContainsFunc(c.Entries, func(o event.ContestEntry) bool { return o.Label == entry.Label }); n++ {
			entry.Label = fmt.Sprintf("%s (%d)", entry.Label, n)
		}
		c.Entries = append(c.Entries, entry)
	}
	items, err := r.desk.gather(ctx, r.Blob, c)
	if err != nil {
		return nil, err
	}
	c.Items, c.Missing = int64(len(items.List)), items.Missing
	env, err := r.Tracker.Submit(ctx, c)
	if err != nil {
		return nil, err
	}
	return r.contestNamed(string(env.Event.(event.ContestOpened).Contest))
}

// answered is an evaluation whose answers are kept: by its own run, or the newest of a run.
func (r *resolver) answered(id event.RunID, suite string) (readmodel.Evaluation, error) {
	e, err := r.Model.EvaluationBy(id)
	if err == nil && e.Results != "" {
		return e, nil
	}
	if err != nil && !errors.Is(err, readmodel.ErrNotFound) {
		return e, err
	}
	of, err := r.Model.Evaluations(readmodel.EvaluationFilter{Of: id, Suite: suite})
	if err != nil && !errors.Is(err, readmodel.ErrNotFound) {
		return e, err
	}
	best := readmodel.Evaluation{}
	for _, x := range of {
		if x.Results != "" && x.Seq > best.Seq {
			best = x
		}
	}
	if best.Results == "" {
		return best, refusal{code: "NOT_FOUND", message: fmt.Sprintf("there is no evaluation %.80q whose answers are kept, and no run of that name with one", id), hint: "evaluate it: millrace eval RUN --suite NAME", field: []string{"evaluations"}}
	}
	return best, nil
}

// labelOf is what an evaluation's model is called when nobody says.
func (r *resolver) labelOf(e readmodel.Evaluation) (string, error) {
	if e.Model != "" {
		return e.Model, nil
	}
	run, err := r.Model.Run(e.Of)
	if errors.Is(err, readmodel.ErrNotFound) {
		return fmt.Sprintf("%s@%d", e.Of, e.Step), nil
	}
	return fmt.Sprintf("%s@%d", run.Name, e.Step), err
}

// unreadable makes of answers that cannot be read what their asker is told.
func unreadable(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return question{code: codeNotFound, message: "the answers that are judged are not in storage any more"}
	case errors.Is(err, evaluator.ErrAnswers), errors.Is(err, contest.ErrItems):
		return question{code: codeBadInput, message: err.Error()}
	}
	return err
}

// opener reads the answers of a contest's entries.
func opener(ctx context.Context, read func(context.Context, event.Digest) (io.ReadCloser, error), c event.ContestOpened) func(int) (io.ReadCloser, error) {
	return func(entry int) (io.ReadCloser, error) {
		if read == nil {
			return nil, question{code: codeUnavailable, message: "this node has no storage to read answers from"}
		}
		return read(ctx, c.Entries[entry].Results)
	}
}
