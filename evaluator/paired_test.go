package evaluator_test

import (
	"errors"
	"iter"
	"math"
	"testing"

	"millrace/evaluator"
	"millrace/event"
)

func listed(of ...evaluator.Answer) iter.Seq2[evaluator.Answer, error] {
	return func(yield func(evaluator.Answer, error) bool) {
		for _, a := range of {
			if !yield(a, nil) {
				return
			}
		}
	}
}

func scored(task, id string, acc float64) evaluator.Answer {
	return evaluator.Answer{Task: task, ID: id, Scores: map[string]event.Number{"acc": event.Number(acc)}}
}

func TestPairedDifferences(t *testing.T) {
	was := listed(scored("a", "1", 0), scored("a", "2", 1), scored("a", "3", 1), scored("a", "4", 0), scored("b", "1", 1), scored("a", "gone", 1))
	is := listed(scored("a", "1", 1), scored("a", "2", 1), scored("a", "3", 0), scored("a", "4", 1), scored("b", "1", 1), scored("a", "new", 1),
		evaluator.Answer{Task: "b", ID: "1", Scores: map[string]event.Number{"nats": 3}})
	var changes []string
	got, err := evaluator.Paired(was, is, func(p evaluator.Pair) bool {
		changes = append(changes, p.Is.Task+p.Is.ID+" "+p.Change)
		return len(changes) < 5
	})
	if err != nil {
		t.Fatal(err)
	}
	// Differences of a: 1, 0, -1, 1: mean 1/4, sample variance 11/12.
	if len(got) != 2 || got[0].Task != "a" || got[0].N != 4 || got[0].Was != 0.5 || got[0].Is != 0.75 || got[0].Difference != 0.25 ||
		math.Abs(got[0].Stderr-math.Sqrt(11.0/12/4)) > 1e-15 {
		t.Errorf("%+v", got)
	}
	if b := got[1]; b.Task != "b" || b.N != 1 || b.Stderr != 0 || b.Difference != 0 {
		t.Errorf("%+v", b)
	}
	want := []string{"a1 newly_right", "a2 still_right", "a3 newly_wrong", "a4 newly_right", "b1 still_right"}
	for i := range want {
		if i >= len(changes) || changes[i] != want[i] {
			t.Fatalf("%v, want %v", changes, want)
		}
	}
	broken := errors.New("broken")
	if _, err := evaluator.Paired(was, func(yield func(evaluator.Answer, error) bool) { yield(evaluator.Answer{}, broken) }, nil); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
}
