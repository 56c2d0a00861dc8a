package trainer_test

import (
	"context"
	"strings"
	"testing"

	"millrace/trainer"
	"millrace/trainer/engine/cpu"
	"pgregory.net/rapid"
)

func TestTheBatchGrows(t *testing.T) {
	c := tiny() // 4 sequences of 12 tokens, twice a step
	c.GradAccum, c.Steps = 4, 30
	c.BatchRamp = trainer.BatchRamp{From: 4, Tokens: 1000}
	m := newMemory()
	if _, err := trainer.Run(context.Background(), job(c, cpu.Reference(), m)); err != nil {
		t.Fatal(err)
	}
	// By hand: 48 tokens a step until 334 (⌈1000/3⌉) were shown, 7 steps; 96 until 667, 4 steps; 144 until 1000, 2 steps; then 192.
	tokens := 0.0
	for step := int64(1); step <= 30; step++ {
		switch {
		case step <= 7:
			tokens += 48
		case step <= 11:
			tokens += 96
		case step <= 13:
			tokens += 144
		default:
			tokens += 192
		}
		if got := m.value(step, "tokens"); got != tokens || c.Tokens(step) != int64(tokens) {
			t.Fatalf("after step %d %g tokens, want %g", step, got, tokens)
		}
		if got := m.value(step, "epoch"); got != tokens/2000 {
			t.Errorf("epoch %g", got)
		}
	}
	again := newMemory()
	again.checkpoints[10] = m.checkpoints[10]
	j := job(c, cpu.Reference(), again)
	j.Resume = again.open(10)
	r, err := trainer.Run(context.Background(), j)
	if err != nil || r.Tokens != int64(tokens) {
		t.Fatalf("%+v %v", r, err)
	}
	delete(again.checkpoints, 10)
	same(t, m, again, 11)
	j.Config.BatchRamp.Tokens, j.Resume = 2000, m.open(10)
	if _, err := trainer.Run(context.Background(), j); err == nil || !strings.Contains(err.Error(), "batch_ramp differs") {
		t.Errorf("%v", err)
	}
}

// The steps of a ramp never shrink, reach the whole batch when its tokens were shown, and add up.
func TestTheRampAddsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := tiny()
		c.BatchSize, c.GradAccum = rapid.IntRange(1, 5).Draw(t, "batch"), rapid.IntRange(1, 9).Draw(t, "accum")
		c.BatchRamp = trainer.BatchRamp{
			From: c.BatchSize * rapid.IntRange(1, c.GradAccum).Draw(t, "from"), Tokens: rapid.Int64Range(1, 20_000).Draw(t, "tokens"),
		}
		c, err := c.Resolve()
		if err != nil {
			t.Fatal(err)
		}
		last := int64(0)
		for step := int64(1); step < 60; step++ {
			before, after := c.Tokens(step-1), c.Tokens(step)
			size := after - before
			whole := c.TokensPerStep()
			if size < last || size > whole || size%int64(c.BatchSize*c.Model.Context) != 0 {
				t.Fatalf("step %d has %d tokens after one of %d", step, size, last)
			}
			if step == 1 && c.BatchRamp.From < c.BatchSize*c.GradAccum && size != int64(c.BatchRamp.From*c.Model.Context) {
				t.Fatalf("the first step has %d tokens", size)
			}
			if before >= c.BatchRamp.Tokens && size != whole {
				t.Fatalf("after %d tokens a step has %d", before, size)
			}
			last = size
		}
	})
}

func TestRampMistakesAreNamed(t *testing.T) {
	for in, want := range map[string]string{
		`{"from":3,"tokens":9}`:  "batch_ramp.from: 3",
		`{"from":24,"tokens":9}`: "batch_ramp.from: 24",
		`{"from":8}`:             "batch_ramp.tokens: 0",
		`{"tokens":8}`:           "batch_ramp.from: 0",
	} {
		c, err := trainer.Parse([]byte(`{"model":{"vocab_size":5},"batch_size":8,"grad_accum":2,"batch_ramp":` + in + `}`))
		if err == nil {
			_, err = c.Resolve()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", in, err, want)
		}
	}
}
