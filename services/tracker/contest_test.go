package tracker_test

import (
	"strings"
	"testing"

	"millrace/event"
	"millrace/services/tracker"
)

func contestWish(mode string) event.ContestOpened {
	d := event.DigestOf([]byte("answers"))
	return event.ContestOpened{
		Name: " which ", Mode: mode, Suite: "s", SuiteDigest: d, Items: 2, DailyVotes: 2,
		Entries: []event.ContestEntry{{Label: "a", Evaluation: "EA", Results: d}, {Label: "b", Evaluation: "EB", Results: d}},
	}
}

func TestAContestAndItsVotesAreCompleted(t *testing.T) {
	tr := start(t)
	c := submit(t, tr, contestWish(event.Pairs)).(event.ContestOpened)
	if c.Contest == "" || c.Name != "which" || c.Seed == 0 || c.Overlap != 2 || c.DailyVotes != 2 {
		t.Errorf("%+v", c)
	}
	refusal(t, tr, contestWish(event.Pairs), tracker.Conflict, "is open")
	vote := event.VoteCast{Contest: "which", Rater: " ada ", Judge: event.ModelJudge, Run: "J", Item: "s/1", A: 1, B: 0, Choice: event.ChooseA, Seconds: 1e9}
	v := submit(t, tr, vote).(event.VoteCast)
	if v.Contest != c.Contest || v.Rater != "ada" || v.Judge != event.Human || v.Run != "" || v.Vote != event.HumanVote(c.Contest, "ada", "s/1", 0, 1) || v.Seconds != 24*3600 {
		t.Errorf("%+v", v)
	}
	vote.A, vote.B = 0, 1 // the other way round it is the same question
	submit(t, tr, vote)
	if all, _, err := tr.Model.Votes(c.Contest); err != nil || len(all) != 1 || all[0].A != 0 {
		t.Errorf("%+v %v", all, err)
	}
	vote.Item = "s/2"
	submit(t, tr, vote)
	vote.Item = "s/3"
	refusal(t, tr, vote, tracker.Conflict, "2 votes today")
	gone := vote
	gone.Item, gone.Withdrawn, gone.Choice = "s/2", true, ""
	if w := submit(t, tr, gone).(event.VoteCast); w.Choice != event.ChooseA || !w.Withdrawn {
		t.Errorf("%+v", w)
	}
	refusal(t, tr, gone, tracker.NotFound, "no vote")
	submit(t, tr, vote) // there is one again
	submit(t, tr, event.ContestClosed{Contest: "which"})
	refusal(t, tr, vote, tracker.Conflict, "is closed")
	refusal(t, tr, event.ContestClosed{Contest: c.Contest}, tracker.Conflict, "is closed")
	submit(t, tr, contestWish(event.Scale))
}

func TestContestsAndVotesThatMeanNothingAreRefused(t *testing.T) {
	tr := start(t)
	for says, change := range map[string]func(*event.ContestOpened){
		"a contest's name":          func(c *event.ContestOpened) { c.Name = " " },
		"is no mode":                func(c *event.ContestOpened) { c.Mode = "guess" },
		"guidelines have":           func(c *event.ContestOpened) { c.Guidelines = strings.Repeat("x", 20_001) },
		"has 2 to 20":               func(c *event.ContestOpened) { c.Entries = c.Entries[:1] },
		"no prompt to which":        func(c *event.ContestOpened) { c.Items = 0 },
		"or no answers":             func(c *event.ContestOpened) { c.Entries[0].Results = "x" },
		"overlap is -1":             func(c *event.ContestOpened) { c.Overlap = -1 },
		"dailyVotes is 1000000000:": func(c *event.ContestOpened) { c.DailyVotes = 1e9 },
	} {
		c := contestWish(event.Pairs)
		change(&c)
		refusal(t, tr, c, tracker.Invalid, says)
	}
	refusal(t, tr, event.VoteCast{Contest: "none"}, tracker.NotFound, "no contest")
	submit(t, tr, contestWish(event.Pairs))
	scale := contestWish(event.Scale)
	scale.Name = "scale"
	submit(t, tr, scale)
	for says, change := range map[string]func(*event.VoteCast){
		"rater's name":           func(v *event.VoteCast) { v.Rater = "a\nb" },
		"entries 0 and 2 of 2":   func(v *event.VoteCast) { v.B = 2 },
		"entries 1 and 1 of 2":   func(v *event.VoteCast) { v.A = 1 },
		"entries -1 and 1":       func(v *event.VoteCast) { v.A = -1 },
		"is no choice":           func(v *event.VoteCast) { v.Choice = event.Undecided },
		"and no score":           func(v *event.VoteCast) { v.Score = 3 },
		"a comment has":          func(v *event.VoteCast) { v.Comment = strings.Repeat("x", 2001) },
		"entries 0 and 1 of 2, ": func(v *event.VoteCast) { v.Contest = "scale" },
		"score is 6":             func(v *event.VoteCast) { v.Contest, v.B, v.Choice, v.Score = "scale", 0, event.Scored, 6 },
		"score is 0":             func(v *event.VoteCast) { v.Contest, v.B = "scale", 0 },
	} {
		v := event.VoteCast{Contest: "which", Rater: "ada", Item: "s/1", A: 0, B: 1, Choice: event.Tie}
		change(&v)
		refusal(t, tr, v, tracker.Invalid, says)
	}
}
