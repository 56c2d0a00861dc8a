package graph_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"millrace/evaluator"
	"millrace/event"
	"millrace/graph"
	"millrace/storage/readmodel"
)

// contested is a lab with evaluations of two runs whose answers are kept: four prompts in common, an empty answer among them, and one of one run alone.
func contested(t *testing.T) (*lab, event.Digest) {
	t.Helper()
	stored, suite := shelf{}, event.DigestOf([]byte("suite"))
	answers := func(run string, ids ...string) event.Digest {
		var b bytes.Buffer
		write, err := evaluator.WriteAnswers(&b, "texts", suite)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range ids {
			text := "said by a model about " + id
			if id == "3" && run == "b" {
				text = ""
			}
			if err := write(evaluator.Answer{Task: "s", ID: id, Prompt: "prompt " + id, Got: []string{text + strings.Repeat("!", len(run))}}); err != nil {
				t.Fatal(err)
			}
		}
		d, err := stored.Put(t.Context(), "answers", b.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	l := newLab(t, func(c *graph.Config) { c.Blob = stored.open })
	for _, of := range []struct {
		run     event.RunID
		results event.Digest
	}{{"alpha", answers("a", "1", "2", "3", "4", "5")}, {"beta", answers("b", "1", "2", "3", "4")}, {"gamma", ""}} {
		run, results := of.run, of.results
		name := string(run) + "-secret"
		l.write(t, event.RunRequested{Run: run, Name: name, Spec: event.Spec{Kind: event.Train, Config: []byte("{}")}},
			event.RunRequested{Run: "eval-" + run, Name: "eval", Spec: event.Spec{Kind: event.Evaluate, Config: []byte("{}")}},
			event.EvaluationCompleted{Run: "eval-" + run, Of: run, Step: 20, Checkpoint: event.DigestOf([]byte(run)), Suite: "texts", SuiteDigest: suite, Results: results})
	}
	return l, suite
}

// voted is a contest of that lab in which two people and a model have voted, each side winning once and once turning with the order.
func voted(t *testing.T) *lab {
	t.Helper()
	l, suite := contested(t)
	entries := []event.ContestEntry{{Label: "the first", Evaluation: "eval-alpha", Of: "alpha", Step: 20}, {Label: "the second", Evaluation: "eval-beta", Of: "beta", Step: 20}}
	for i := range entries {
		list, err := l.log.model.Evaluations(readmodel.EvaluationFilter{Of: entries[i].Of})
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		entries[i].Results = list[0].Results
	}
	l.write(t, event.ContestOpened{Contest: "C1", Name: "which", Mode: event.Pairs, Guidelines: "be kind", Suite: "texts", SuiteDigest: suite, Task: "s", Entries: entries, Items: 4, Missing: 1,
		Seed: 1, Overlap: 2, DailyVotes: 500, By: "ada"})
	human := func(rater, item, choice string) event.VoteCast {
		return event.VoteCast{Vote: event.HumanVote("C1", rater, item, 0, 1), Contest: "C1", Rater: rater, Judge: event.Human, Item: item, A: 0, B: 1, Choice: choice, Seconds: 2}
	}
	model := func(item string, a, b int, choice string) event.VoteCast {
		return event.VoteCast{Vote: event.ModelVote("C1", "judge-1", item, a, b), Contest: "C1", Rater: "a judge", Judge: event.ModelJudge, Run: "judge-1", Item: item, A: a, B: b, Choice: choice}
	}
	l.write(t, human("ada", "s/1", event.ChooseA), human("bob", "s/1", event.ChooseA), human("ada", "s/2", event.ChooseB), human("bob", "s/2", event.Tie),
		model("s/1", 0, 1, event.ChooseA), model("s/1", 1, 0, event.ChooseB), model("s/2", 0, 1, event.ChooseA), model("s/2", 1, 0, event.ChooseA), model("s/4", 0, 1, event.Undecided))
	return l
}

const openIt = `mutation($e: [ID!]!, $mode: ContestMode) { openContest(input: {name: "which", evaluations: $e, mode: $mode, guidelines: "be kind", overlap: 1}) {
	contest { id name mode items missing task entries { label step run { id } } } userErrors { message code hint } } }`

type opened struct {
	OpenContest struct {
		Contest *struct {
			ID             string
			Items, Missing int64
			Entries        []struct {
				Label string
				Step  int64
				Run   struct{ ID string }
			}
		}
		UserErrors []struct{ Message, Code, Hint string }
	}
}

func TestAContestIsOpenedVotedInAndCounted(t *testing.T) {
	l, _ := contested(t)
	o := get[opened](t, l, openIt, map[string]any{"e": []string{"alpha", "eval-beta"}}).OpenContest
	if o.Contest == nil || o.Contest.Items != 4 || o.Contest.Missing != 1 || o.Contest.Entries[0].Label != "alpha-secret@20" || o.Contest.Entries[1].Run.ID != "beta" {
		t.Fatalf("%+v", o)
	}
	id := o.Contest.ID
	type question struct{ Item, Key, Prompt, Left, Right string }
	next := func(rater string) *question {
		a := l.ask(t, `query($c: ID!, $r: String!) { nextComparison(contest: $c, rater: $r) { item key prompt left right } }`, map[string]any{"c": id, "r": rater})
		for _, word := range []string{"secret", "alpha", "beta"} {
			if strings.Contains(string(a.Data), word) {
				t.Errorf("the question says who answers: %s", a.Data)
			}
		}
		return get[struct{ NextComparison *question }](t, l, `query($c: ID!, $r: String!) { nextComparison(contest: $c, rater: $r) { item key prompt left right } }`, map[string]any{"c": id, "r": rater}).NextComparison
	}
	type cast struct {
		CastVote struct {
			Question   *question
			Progress   *struct{ Votes, Questions, Today int64 }
			UserErrors []struct{ Message, Code, Hint string }
		}
	}
	vote := func(rater string, q question, choice string) cast {
		return get[cast](t, l, `mutation($i: CastVoteInput!) { castVote(input: $i) { question { item key prompt left right } progress { votes questions today } userErrors { message code hint } } }`,
			map[string]any{"i": map[string]any{"contest": id, "rater": rater, "item": q.Item, "key": q.Key, "choice": choice, "seconds": 2.5}})
	}
	// A always says that alpha's is better, which ends in one exclamation mark; the other always the opposite.
	for rater, mark := range map[string]string{"ada": "o", "eve": "!!"} {
		q := next(rater)
		for n := 1; q != nil; n++ {
			choice := "RIGHT"
			if alpha := !strings.HasSuffix(q.Left, "!!") && q.Left != "!"; alpha == (mark == "o") || q.Left == "!" && mark == "!!" {
				choice = "LEFT"
			}
			v := vote(rater, *q, choice).CastVote
			if len(v.UserErrors) > 0 || v.Progress.Votes != int64(n) || v.Progress.Questions != 4 {
				t.Fatalf("%+v", v)
			}
			q = v.Question
		}
	}
	if v := vote("ada", question{Item: "s/1", Key: "nonsense"}, "LEFT").CastVote; len(v.UserErrors) != 1 || v.UserErrors[0].Code != "INVALID" || v.UserErrors[0].Hint == "" {
		t.Errorf("%+v", v)
	}
	l.write(t, event.VoteCast{Vote: "m1", Contest: event.ContestID(id), Rater: "tiny", Judge: event.ModelJudge, Run: "J", Item: "s/1", A: 0, B: 1, Choice: event.ChooseA},
		event.VoteCast{Vote: "m2", Contest: event.ContestID(id), Rater: "tiny", Judge: event.ModelJudge, Run: "J", Item: "s/1", A: 1, B: 0, Choice: event.ChooseA})
	type tally struct {
		Standings []struct {
			Label           string
			Won, Lost, Tied int64
			Rating          *float64
		}
		Raters []struct {
			Name                    string
			Model                   bool
			Votes                   int64
			FirstShare, TurnedShare *float64
		}
		People *struct {
			Kind  string
			Kappa *float64
			Items int64
		}
		Matches                []struct{ Entry, Against int }
		Questions, Begun, Done int64
	}
	got := get[struct {
		Contest struct {
			HumanVotes, ModelVotes int64
			Tally, Models          tally
		}
	}](t, l, `query($c: ID!) { contest(id: $c) { humanVotes modelVotes
		tally(of: HUMANS) { questions begun done matches { entry against } standings { label won lost tied rating } raters { name model votes firstShare turnedShare } people { kind kappa items } }
		models: tally(of: MODELS, judge: "J") { standings { label won lost tied rating } } } }`, map[string]any{"c": "which"}).Contest
	if got.HumanVotes != 8 || got.ModelVotes != 2 || got.Tally.Questions != 4 || got.Tally.Begun != 4 || got.Tally.Done != 4 || len(got.Tally.Matches) != 2 {
		t.Errorf("%+v", got)
	}
	if s := got.Tally.Standings; s[0].Won+s[0].Lost != 8 || s[0].Won != s[1].Lost {
		t.Errorf("%+v", s)
	}
	if p := got.Tally.People; p == nil || p.Kind != "cohen" || p.Items != 4 {
		t.Errorf("%+v", p)
	}
	if r := got.Tally.Raters; len(r) != 3 || !r[2].Model || *r[2].FirstShare != 1 || *r[2].TurnedShare != 1 || r[0].TurnedShare != nil {
		t.Errorf("%+v", r)
	}
	if s := got.Models.Standings; s[0].Tied != 1 || *s[0].Rating != 1000 {
		t.Errorf("%+v", s)
	}
	places := get[struct {
		CompareRuns struct {
			Contests []struct {
				Contest   struct{ Name string }
				Standings []struct{ Label string }
			}
		}
		Run struct {
			Contests []struct{ Standings []struct{ Label string } }
		}
	}](t, l, `{ compareRuns(ids: ["alpha", "beta"]) { contests { contest { name } standings { label rating } } } run(id: "beta") { contests { standings { label } } } }`, nil)
	if c := places.CompareRuns.Contests; len(c) != 1 || c[0].Contest.Name != "which" || len(c[0].Standings) != 2 || len(places.Run.Contests) != 1 || len(places.Run.Contests[0].Standings) != 1 || places.Run.Contests[0].Standings[0].Label != "beta-secret@20" {
		t.Errorf("%+v", places)
	}
	closed := get[struct {
		CloseContest struct{ Contest *struct{ ClosedAt *string } }
	}](t, l, `mutation($c: ID!) { closeContest(input: {contest: $c}) { contest { closedAt } } }`, map[string]any{"c": id})
	if closed.CloseContest.Contest == nil || closed.CloseContest.Contest.ClosedAt == nil || next("kim") != nil {
		t.Errorf("%+v", closed)
	}
	if n := get[struct {
		Contests struct{ TotalCount int }
	}](t, l, `{ contests(first: 1) { totalCount nodes { progress(rater: "ada") { votes } } } }`, nil).Contests.TotalCount; n != 1 {
		t.Errorf("%d contests", n)
	}
}

func TestContestsThatCannotBe(t *testing.T) {
	l, _ := contested(t)
	for want, e := range map[string][]string{"whose answers are kept": {"alpha", "gamma"}, "no evaluation": {"alpha", "nobody"}, "at most 20": make([]string, 21)} {
		for i := range e {
			if e[i] == "" {
				e[i] = fmt.Sprint(i)
			}
		}
		o := get[opened](t, l, openIt, map[string]any{"e": e}).OpenContest
		if o.Contest != nil || len(o.UserErrors) != 1 || !strings.Contains(o.UserErrors[0].Message, want) {
			t.Errorf("%v: %+v", e, o)
		}
	}
	l.write(t, event.EvaluationCompleted{Run: "eval-other", Of: "gamma", Step: 20, Checkpoint: event.DigestOf([]byte("x")), Suite: "others", SuiteDigest: event.DigestOf([]byte("others")), Results: event.DigestOf([]byte("gone"))})
	if o := get[opened](t, l, openIt, map[string]any{"e": []string{"alpha", "gamma"}}).OpenContest; o.Contest != nil || !strings.Contains(o.UserErrors[0].Message, "answered suite") {
		t.Errorf("%+v", o)
	}
	if o := get[opened](t, l, openIt, map[string]any{"e": []string{"gamma"}, "mode": "SCALE"}).OpenContest; o.Contest != nil || !strings.Contains(o.UserErrors[0].Message, "not in storage") {
		t.Errorf("%+v", o)
	}
	if code := l.code(t, `{ nextComparison(contest: "none", rater: "ada") { item } }`, nil); code != "NOT_FOUND" {
		t.Error(code)
	}
}
