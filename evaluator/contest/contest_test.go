package contest_test

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"millrace/evaluator"
	"millrace/evaluator/contest"
	"millrace/event"
)

var suite = event.DigestOf([]byte("suite"))

// file is a file of answers: of each task's id what was generated.
func file(t testing.TB, answers ...evaluator.Answer) []byte {
	t.Helper()
	var b bytes.Buffer
	write, err := evaluator.WriteAnswers(&b, "s", suite)
	require.NoError(t, err)
	for _, a := range answers {
		require.NoError(t, write(a))
	}
	return b.Bytes()
}

func opened(mode string, entries, overlap int) event.ContestOpened {
	c := event.ContestOpened{Contest: "C", Name: "c", Mode: mode, SuiteDigest: suite, Seed: 7, Overlap: int64(overlap), DailyVotes: 100}
	for i := range entries {
		c.Entries = append(c.Entries, event.ContestEntry{Label: fmt.Sprint("m", i)})
	}
	return c
}

func made(t testing.TB, mode string, entries, items, overlap int) contest.Contest {
	t.Helper()
	c := opened(mode, entries, overlap)
	got, err := contest.Gather(c, func(e int) (io.ReadCloser, error) {
		var list []evaluator.Answer
		for i := range items {
			list = append(list, evaluator.Answer{Task: "s", ID: fmt.Sprint(i), Prompt: fmt.Sprint("p", i), Got: []string{fmt.Sprint("by ", e, " of ", i)}})
		}
		return io.NopCloser(bytes.NewReader(file(t, list...))), nil
	})
	require.NoError(t, err)
	require.Len(t, got.List, items)
	c.Items = int64(items)
	return contest.Contest{ContestOpened: c, Items: got}
}

func TestItemsAreWhatEveryEntryAnswered(t *testing.T) {
	files := [][]byte{
		file(t, evaluator.Answer{Task: "s", ID: "1", Prompt: "p", Got: []string{"first", "again"}}, evaluator.Answer{Task: "s", ID: "2", Prompt: "q", Got: []string{""}},
			evaluator.Answer{Task: "s", ID: "3", Prompt: "r", Got: []string{"x"}}, evaluator.Answer{Task: "s", ID: "4", Prompt: "one", Got: []string{"x"}},
			evaluator.Answer{Task: "m", ID: "1", Prompt: "choose", Choices: []string{"a", "b"}, Got: []string{"a"}}, evaluator.Answer{Task: "u", ID: "1", Prompt: "other", Got: []string{"x"}}),
		file(t, evaluator.Answer{Task: "s", ID: "2", Prompt: "q", Got: []string{"y"}}, evaluator.Answer{Task: "s", ID: "1", Prompt: "p", Got: []string{"second"}},
			evaluator.Answer{Task: "s", ID: "4", Prompt: "another", Got: []string{"x"}}, evaluator.Answer{Task: "s", ID: "5", Prompt: "none"}, evaluator.Answer{Task: "u", ID: "1", Prompt: "other", Got: []string{"x"}}),
	}
	open := func(e int) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(files[e])), nil }
	c := opened(event.Pairs, 2, 1)
	c.Task = "s"
	items, err := contest.Gather(c, open)
	require.NoError(t, err)
	require.Equal(t, []contest.Item{{ID: "s/1", Prompt: "p", Answers: []string{"first", "second"}}, {ID: "s/2", Prompt: "q", Answers: []string{"", "y"}}}, items.List)
	require.EqualValues(t, 3, items.Missing)
	one, ok := items.Item("s/2")
	require.True(t, ok)
	require.Equal(t, "q", one.Prompt)
	_, ok = items.Item("s/3")
	require.False(t, ok)

	c.Task = ""
	items, err = contest.Gather(c, open)
	require.NoError(t, err)
	require.Len(t, items.List, 3)

	c.SuiteDigest = event.DigestOf([]byte("another"))
	_, err = contest.Gather(c, open)
	require.ErrorIs(t, err, contest.ErrItems)
	files[1] = []byte("nonsense")
	_, err = contest.Gather(opened(event.Pairs, 2, 1), open)
	require.ErrorIs(t, err, evaluator.ErrAnswers)
	_, err = contest.Gather(c, func(int) (io.ReadCloser, error) { return nil, os.ErrNotExist })
	require.ErrorIs(t, err, os.ErrNotExist)
}

// Whoever votes as they are asked: each question comes once for each of them, the votes of pairs differ by one at most, and a key finds its question
// for that rater only.
func TestVotesSpreadEvenlyOverPairs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mode := rapid.SampledFrom([]string{event.Pairs, event.Scale}).Draw(t, "mode")
		entries, items := rapid.IntRange(2, 4).Draw(t, "entries"), rapid.IntRange(1, 4).Draw(t, "items")
		c := made(&testing.T{}, mode, entries, items, rapid.IntRange(1, 3).Draw(t, "overlap"))
		raters := rapid.IntRange(1, 3).Draw(t, "raters")
		var votes []event.VoteCast
		open := map[string]bool{}
		for r := range raters {
			open[fmt.Sprint("r", r)] = true
		}
		for len(open) > 0 {
			who := fmt.Sprint("r", rapid.IntRange(0, raters-1).Draw(t, "who"))
			q, ok := c.Next(votes, who)
			if !ok {
				delete(open, who)
				continue
			}
			for _, v := range votes {
				if v.Rater == who && v.Item == q.Item.ID && min(v.A, v.B) == min(q.A, q.B) && max(v.A, v.B) == max(q.A, q.B) {
					t.Fatalf("%s is asked %s of %d and %d again", who, q.Item.ID, q.A, q.B)
				}
			}
			if back, ok := c.Find(who, q.Item.ID, q.Key); !ok || back.A != q.A || back.B != q.B {
				t.Fatalf("the key finds %+v, not %+v", back, q)
			}
			if _, ok := c.Find(who+"x", q.Item.ID, q.Key); ok {
				t.Fatal("the key is another rater's too")
			}
			votes = append(votes, event.VoteCast{Judge: event.Human, Rater: who, Item: q.Item.ID, A: q.A, B: q.B})
			ofPair := map[[2]int]int{}
			for _, v := range votes {
				ofPair[[2]int{min(v.A, v.B), max(v.A, v.B)}]++
			}
			if raters == 1 {
				least, most := math.MaxInt, 0
				for _, p := range c.Pairs() {
					least, most = min(least, ofPair[p]), max(most, ofPair[p])
				}
				if most-least > 1 {
					t.Fatalf("pairs have %v votes", ofPair)
				}
			}
		}
		if want := raters * items * len(c.Pairs()); len(votes) != want {
			t.Fatalf("%d votes, there are %d questions for %d raters", len(votes), want, raters)
		}
	})
}

// Sides are fair, another's are others, and the second rater is asked what the first has answered.
func TestSidesAreTossedAndItemsShared(t *testing.T) {
	c := made(t, event.Pairs, 2, 400, 2)
	left, differ := 0, 0
	for _, item := range c.Items.List {
		votes := func(who string) contest.Question {
			var done []event.VoteCast
			for _, other := range c.Items.List {
				if other.ID != item.ID {
					done = append(done, event.VoteCast{Judge: event.Human, Rater: who, Item: other.ID, A: 0, B: 1})
				}
			}
			q, ok := c.Next(done, who)
			require.True(t, ok)
			require.Equal(t, item.ID, q.Item.ID)
			return q
		}
		a, b := votes("ada"), votes("eve")
		left += a.A
		if a.A != b.A {
			differ++
		}
	}
	require.InDelta(t, 200, left, 60)
	require.InDelta(t, 200, differ, 60)

	q, _ := c.Next(nil, "ada")
	next, _ := c.Next([]event.VoteCast{{Judge: event.Human, Rater: "ada", Item: q.Item.ID, A: q.A, B: q.B}}, "eve")
	require.Equal(t, q.Item.ID, next.Item.ID)
	third, _ := c.Next([]event.VoteCast{{Judge: event.Human, Rater: "ada", Item: q.Item.ID, A: 0, B: 1}, {Judge: event.Human, Rater: "eve", Item: q.Item.ID, A: 0, B: 1}}, "kim")
	require.NotEqual(t, q.Item.ID, third.Item.ID)
	same, _ := c.Next([]event.VoteCast{{Judge: event.ModelJudge, Run: "J", Item: q.Item.ID, A: 0, B: 1}}, "ada")
	require.Equal(t, q, same, "models' votes are no reason to ask people something else")
}

// vote writes "item a b choice" of a rater.
func vote(who, text string) event.VoteCast {
	v := event.VoteCast{Judge: event.Human, Rater: who}
	if run, ok := strings.CutPrefix(who, "model:"); ok {
		v.Judge, v.Rater, v.Run = event.ModelJudge, "tiny", event.RunID(run)
	}
	if _, err := fmt.Sscan(text, &v.Item, &v.A, &v.B, &v.Choice); err != nil {
		panic(err)
	}
	if v.Choice[0] >= '1' && v.Choice[0] <= '5' {
		v.Score, v.Choice = int(v.Choice[0]-'0'), event.Scored
	}
	return v
}

func TestCountOfPairs(t *testing.T) {
	c := made(t, event.Pairs, 3, 4, 2)
	votes := []event.VoteCast{
		vote("ada", "s/0 0 1 a"), vote("ada", "s/1 1 0 a"), vote("ada", "s/2 0 1 tie"), vote("ada", "s/3 0 1 both_bad"),
		vote("eve", "s/0 1 0 b"), vote("eve", "s/1 0 1 a"), vote("eve", "s/2 0 1 tie"),
		// In both orders: 0 is better, whichever stands first; then the first, whichever it is.
		vote("model:J", "s/0 0 1 a"), vote("model:J", "s/0 1 0 b"), vote("model:J", "s/1 0 1 a"), vote("model:J", "s/1 1 0 a"), vote("model:J", "s/2 0 1 undecided"),
	}
	got, err := c.Count(votes, contest.Of{Humans: true})
	require.NoError(t, err)
	require.EqualValues(t, 12, got.Questions)
	require.EqualValues(t, 4, got.Begun)
	require.EqualValues(t, 3, got.Done)
	require.Equal(t, contest.Match{Won: 3, Lost: 1, Tied: 3}, got.Matches[0][1])
	require.Equal(t, contest.Match{Won: 1, Lost: 3, Tied: 3}, got.Matches[1][0])
	require.Equal(t, []int{0, 1, 2}, []int{got.Standings[0].Entry, got.Standings[1].Entry, got.Standings[2].Entry})
	require.False(t, got.Standings[2].Rated)
	// 4.5 of 7 points against each other: 400·log10(4.5/2.5) apart, around 1,000.
	apart := 400 * math.Log10(4.5/2.5)
	require.InDelta(t, apart, got.Standings[0].Rating-got.Standings[1].Rating, 1e-6)
	require.InDelta(t, 2000, got.Standings[0].Rating+got.Standings[1].Rating, 1e-6)
	require.Less(t, got.Standings[0].Low, got.Standings[0].Rating)
	require.Greater(t, got.Standings[0].High, got.Standings[0].Rating)

	// Labels of ada: lesser, greater, tied; of eve: lesser, lesser, tied. Observed 2/3, expected (1/3·2/3 + 1/3·0 + 1/3·1/3) = 1/3: κ = 1/2.
	require.Equal(t, "cohen", got.People.Kind)
	require.EqualValues(t, 3, got.People.Items)
	require.InDelta(t, 2./3, got.People.Same, 1e-12)
	require.InDelta(t, 0.5, got.People.Kappa, 1e-12)

	require.Len(t, got.Raters, 3)
	require.Equal(t, "ada", got.Raters[0].Name)
	require.Equal(t, []int64{4, 2, 2}, []int64{got.Raters[0].Votes, got.Raters[0].Sided, got.Raters[0].First})
	j := got.Raters[2]
	require.Equal(t, []int64{5, 1, 4, 3, 2, 1}, []int64{j.Votes, j.Undecided, j.Sided, j.First, j.Both, j.Turned})
	// The judge against most people: s/0 lesser and lesser; s/1 people are divided, a tie, and so is the judge.
	require.EqualValues(t, 2, j.Humans.Items)
	require.InDelta(t, 1, j.Humans.Kappa, 1e-12)

	models, err := c.Count(votes, contest.Of{Models: true})
	require.NoError(t, err)
	require.Equal(t, contest.Match{Won: 1, Tied: 1}, models.Matches[0][1])
	none, err := c.Count(votes, contest.Of{Models: true, Run: "other"})
	require.NoError(t, err)
	require.False(t, none.Standings[0].Rated)
	all, err := c.Count(append(votes, vote("kim", "s/0 0 1 a"), vote("kim", "s/1 0 1 b")), contest.Of{Humans: true, Models: true})
	require.NoError(t, err)
	require.Equal(t, "fleiss", all.People.Kind)
	require.Equal(t, 3, all.People.Raters)
	require.EqualValues(t, 2, all.People.Items)

	same, err := c.Count([]event.VoteCast{vote("ada", "s/0 0 1 a"), vote("eve", "s/0 0 1 a")}, contest.Of{Humans: true})
	require.NoError(t, err)
	require.True(t, math.IsNaN(same.People.Kappa))
	require.InDelta(t, 1, same.People.Same, 0)
	nobody, err := c.Count(nil, contest.Of{Humans: true, Models: true})
	require.NoError(t, err)
	require.Nil(t, nobody.People)
	require.Empty(t, nobody.Raters)
}

func TestCountOfAScale(t *testing.T) {
	c := made(t, event.Scale, 2, 3, 1)
	got, err := c.Count([]event.VoteCast{
		vote("ada", "s/0 0 0 4"), vote("ada", "s/1 0 0 2"), vote("ada", "s/0 1 1 5"), vote("model:J", "s/0 0 0 4"), vote("model:J", "s/0 1 1 4"),
	}, contest.Of{Humans: true})
	require.NoError(t, err)
	require.EqualValues(t, 6, got.Questions)
	require.EqualValues(t, 3, got.Done)
	require.Nil(t, got.Matches)
	require.Equal(t, 1, got.Standings[0].Entry)
	require.InDelta(t, 5, got.Standings[0].Mean, 0)
	require.Zero(t, got.Standings[0].Stderr)
	require.InDelta(t, 3, got.Standings[1].Mean, 1e-12)
	require.InDelta(t, 1, got.Standings[1].Stderr, 1e-12)
	j := got.Raters[1]
	require.EqualValues(t, 2, j.Humans.Items)
	require.InDelta(t, 0.5, j.Humans.Same, 1e-12)
	require.Zero(t, j.Both)
}

// Whatever the order in which votes came, they amount to the same.
func TestTheOrderOfVotesDoesNotMatter(t *testing.T) {
	c := made(t, event.Pairs, 3, 5, 2)
	rapid.Check(t, func(t *rapid.T) {
		var votes []event.VoteCast
		for _, who := range []string{"ada", "eve", "kim"} {
			for _, item := range c.Items.List {
				for _, p := range c.Pairs() {
					votes = append(votes, vote(who, fmt.Sprintf("%s %d %d %s", item.ID, p[0], p[1], rapid.SampledFrom([]string{"a", "b", "tie", "both_bad"}).Draw(t, "choice"))))
				}
			}
		}
		a, err := c.Count(votes, contest.Of{Humans: true})
		if err != nil {
			t.Fatal(err)
		}
		b, err := c.Count(rapid.Permutation(votes).Draw(t, "order"), contest.Of{Humans: true})
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(a.Standings) != fmt.Sprint(b.Standings) || math.Abs(a.People.Kappa-b.People.Kappa) > 1e-9 {
			t.Fatalf("%+v %+v\n%+v %+v", a.Standings, a.People, b.Standings, b.People)
		}
	})
}
