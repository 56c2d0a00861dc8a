package trainer_test

import (
	"context"
	"runtime"
	"testing"

	"millrace/trainer"
	"millrace/trainer/data"
	"millrace/trainer/engine/cpu"
)

// mallocs is a Recorder that counts what was allocated from step to step.
type mallocs struct {
	*memory
	last, least uint64
}

func (m *mallocs) Metrics(_ context.Context, step int64, _ []trainer.Point) error {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	if made := stats.Mallocs - m.last; step > 2 {
		m.least = min(m.least, made)
	}
	m.last = stats.Mallocs
	return nil
}

// A step allocates nothing once the first ones have taken what they need: whatever else runs in the process, some step is undisturbed.
func TestAStepAllocatesNothing(t *testing.T) {
	for _, precision := range []string{"f32", "bf16"} {
		k, err := cpu.Open(2)
		if err != nil {
			t.Fatal(err)
		}
		c, err := trainer.Parse([]byte(`{"model": {"n_layer": 2, "d_model": 64, "n_head": 2, "context": 32, "vocab_size": 65}, "batch_size": 4, "steps": 30, "checkpoint_every": 30,
			"precision": "` + precision + `"}`))
		if err != nil {
			t.Fatal(err)
		}
		m := &mallocs{memory: newMemory(), least: 1 << 40}
		ids := make(data.IDs, 10_000)
		for i := range ids {
			ids[i] = int32(i * i % 65)
		}
		if _, err := trainer.Run(t.Context(), trainer.Job{Config: c, Kernels: k, Train: ids, Recorder: m}); err != nil {
			t.Fatal(err)
		}
		if m.least > 0 {
			t.Errorf("%s: every step allocates, %d times at least", precision, m.least)
		}
	}
}
