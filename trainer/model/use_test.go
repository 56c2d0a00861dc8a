package model_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"millrace/trainer/engine/cpu"
	"millrace/trainer/model"
)

func trained(t *testing.T) *model.Model {
	t.Helper()
	m, err := model.New(small(), cpu.Reference(), 4)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range m.Parameters() { // far from uniform
		for i := range p.Value {
			p.Value[i] *= 8
		}
	}
	return m
}

// Scores are log-probabilities: over all continuations they sum to one, and a text's are the sum of its parts'.
func TestScoresAreProbabilities(t *testing.T) {
	m, ctx := trained(t), context.Background()
	text := tokens(20, 13, 7)
	total, greedy := 0.0, 0
	for id := range int32(13) {
		s, err := m.Score(ctx, append(slices.Clone(text), id), 20)
		if err != nil || len(s) != 1 {
			t.Fatal(s, err)
		}
		total += math.Exp(s[0].LogProb)
		if s[0].Greedy {
			greedy++
		}
	}
	if math.Abs(total-1) > 1e-5 || greedy != 1 {
		t.Errorf("probabilities sum to %g, %d tokens are the likeliest", total, greedy)
	}
}

// What is scored beside, before or at another length changes no bit.
func TestScoresDoNotDependOnCompany(t *testing.T) {
	m, ctx := trained(t), context.Background()
	text := tokens(30, 13, 7)
	alone, err := m.Score(ctx, text, 1)
	if err != nil {
		t.Fatal(err)
	}
	for n := 2; n <= 41; n++ {
		if _, err := m.Score(ctx, tokens(n, 13, uint64(n)), 1); err != nil {
			t.Fatal(err)
		}
		again, err := trained(t).Score(ctx, text, 1)
		if err != nil {
			t.Fatal(err)
		}
		same, err := m.Score(ctx, text, 1)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(alone, same) || !slices.Equal(alone, again) {
			t.Fatalf("scores changed after a text of %d tokens", n)
		}
		tail, err := m.Score(ctx, text, 25)
		if err != nil || !slices.Equal(tail, alone[24:]) {
			t.Fatalf("the tail's scores differ: %v", err)
		}
	}
}

// The scores agree with the training program's loss of the same text, though at another length.
func TestScoresAgreeWithLoss(t *testing.T) {
	m := trained(t)
	text := tokens(21, 13, 7)
	scores, err := m.Score(context.Background(), text, 1)
	if err != nil {
		t.Fatal(err)
	}
	b, err := m.Evaluation(1, 20)
	if err != nil {
		t.Fatal(err)
	}
	copy(b.IDs, text)
	copy(b.Targets, text[1:])
	loss, err := b.Run(0)
	if err != nil {
		t.Fatal(err)
	}
	total := 0.0
	for _, s := range scores {
		total -= s.LogProb
	}
	if math.Abs(total-loss) > 1e-4*loss {
		t.Errorf("scores sum to %g, the loss is %g", total, loss)
	}
}

func TestScoreMistakes(t *testing.T) {
	m := trained(t)
	stopped, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := m.Score(stopped, []int32{1, 2}, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	for want, f := range map[string]func() error{
		"position 0":              func() error { _, err := m.Score(context.Background(), []int32{1, 2}, 0); return err },
		"position 3":              func() error { _, err := m.Score(context.Background(), []int32{1, 2}, 3); return err },
		"do not fit":              func() error { _, err := m.Score(context.Background(), make([]int32, 42), 1); return err },
		"13 at position 0 is not": func() error { _, err := m.Score(context.Background(), []int32{1, 13}, 1); return err },
		"-1 at position 0":        func() error { _, err := m.Score(context.Background(), []int32{-1, 1}, 1); return err },
		"empty prompt":            func() error { _, err := m.Generate(context.Background(), nil, 3, model.Sampling{}); return err },
		"temperature -1": func() error {
			_, err := m.Generate(context.Background(), []int32{1}, 3, model.Sampling{Temperature: -1})
			return err
		},
	} {
		if err := f(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if s, err := m.Score(context.Background(), []int32{1, 2}, 2); err != nil || len(s) != 0 {
		t.Errorf("nothing to score: %v, %v", s, err)
	}
}

func TestGenerate(t *testing.T) {
	m, ctx := trained(t), context.Background()
	prompt := []int32{1, 2, 3}
	greedy, err := m.Generate(ctx, prompt, 60, model.Sampling{}) // beyond the context of 40
	if err != nil || len(greedy) != 60 {
		t.Fatal(greedy, err)
	}
	scores, err := m.Score(ctx, append(slices.Clone(prompt), greedy[:30]...), 3)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range scores {
		if !s.Greedy {
			t.Errorf("generated token %d is not the likeliest", i)
		}
	}
	one, err := m.Generate(ctx, prompt, 20, model.Sampling{Temperature: 1, TopK: 1, Seed: 5})
	if err != nil || !slices.Equal(one, greedy[:20]) {
		t.Errorf("top-1 sampling %v is not greedy %v", one, greedy[:20])
	}
	a, _ := m.Generate(ctx, prompt, 20, model.Sampling{Temperature: 1, Seed: 5})
	b, _ := m.Generate(ctx, prompt, 20, model.Sampling{Temperature: 1, Seed: 5})
	c, _ := m.Generate(ctx, prompt, 20, model.Sampling{Temperature: 1, Seed: 6})
	if !slices.Equal(a, b) || slices.Equal(a, c) {
		t.Errorf("seed 5 %v and %v, seed 6 %v", a, b, c)
	}
	stop, err := m.Generate(ctx, prompt, 20, model.Sampling{Stop: []int32{greedy[0]}})
	if err != nil || len(stop) != 0 {
		t.Errorf("did not stop: %v, %v", stop, err)
	}
}

// Drawn tokens follow the model's distribution.
func TestSamplingFollowsProbabilities(t *testing.T) {
	m, ctx := trained(t), context.Background()
	prompt := []int32{4, 9}
	const n = 3000
	var counts [13]float64
	for seed := range uint64(n) {
		id, err := m.Generate(ctx, prompt, 1, model.Sampling{Temperature: 1, Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		counts[id[0]]++
	}
	chi := 0.0
	for id := range int32(13) {
		s, err := m.Score(ctx, append(slices.Clone(prompt), id), 2)
		if err != nil {
			t.Fatal(err)
		}
		want := n * math.Exp(s[0].LogProb)
		chi += (counts[id] - want) * (counts[id] - want) / want
	}
	if chi > 40 { // twelve degrees of freedom: beyond 1 in 10,000
		t.Errorf("χ² = %g", chi)
	}
}
