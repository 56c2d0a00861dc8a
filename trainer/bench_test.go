package trainer_test

import (
	"context"
	"fmt"
	"testing"

	"millrace/trainer"
	"millrace/trainer/data"
	"millrace/trainer/engine"
	"millrace/trainer/engine/cpu"
	"millrace/trainer/model"
	"millrace/trainer/random"
)

// bench is the small GPT whose speed is compared with other trainers: 4 layers, width 128, 4 heads, 128 tokens, batch 8.
func bench() trainer.Config {
	c := trainer.Default()
	c.Model = model.Config{Arch: "gpt2", NLayer: 4, NHead: 4, DModel: 128, Context: 128, VocabSize: 256, Bias: true}
	c.BatchSize, c.GradAccum = 8, 1
	return c
}

// BenchmarkTraining is whole steps of Run: data, forward, backward, clipping, update, metrics.
func BenchmarkTraining(b *testing.B) {
	for _, threads := range []int{1, 2} {
		b.Run(fmt.Sprintf("threads=%d", threads), func(b *testing.B) {
			train(b, bench(), fast(b, threads))
		})
	}
}

// BenchmarkSequencing is the same steps on kernels that do nothing: what the graph, the loop and the recorder cost.
func BenchmarkSequencing(b *testing.B) { train(b, bench(), idle{cpu.Reference()}) }

func train(b *testing.B, c trainer.Config, k engine.Kernels) {
	ids := make(data.IDs, 100_000)
	for i := range ids {
		ids[i] = int32(random.Below(1, uint64(i), 256))
	}
	c.Steps, c.Schedule.Warmup = int64(b.N)+1, 0
	c.CheckpointEvery = c.Steps
	j := trainer.Job{Config: c, Kernels: k, Train: ids, Recorder: starter{b: b}}
	if _, err := trainer.Run(context.Background(), j); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(c.TokensPerStep())*float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
}

// starter leaves the first step, which compiles and allocates, out of the time.
type starter struct{ b *testing.B }

func (s starter) Metrics(_ context.Context, step int64, _ []trainer.Point) error {
	if step == 1 {
		s.b.ReportAllocs()
		s.b.ResetTimer()
	}
	return nil
}

func (starter) Spiked(context.Context, trainer.Spike) error    { return nil }
func (starter) Sampled(context.Context, trainer.Sampled) error { return nil }

func (s starter) Checkpoint(context.Context, trainer.Checkpoint) error {
	s.b.StopTimer()
	return nil
}

// idle has memory but does no arithmetic.
type idle struct{ engine.Kernels }

func (idle) Linear(_, _, _, _ []float32, _, _, _ int, _ bool)               {}
func (idle) LinearGradient(_, _, _ []float32, _, _, _ int, _ bool)          {}
func (idle) LinearBackward(_, _, _, _, _, _ []float32, _, _, _ int, _ bool) {}
func (idle) Embed(_, _, _ []float32, _ []int32, _, _, _ int)                {}
func (idle) EmbedBackward(_, _, _ []float32, _ []int32, _, _, _ int)        {}
func (idle) LayerNorm(_, _, _, _, _, _ []float32, _ float32, _, _ int)      {}
func (idle) LayerNormBackward(_, _, _, _, _, _, _, _ []float32, _, _ int)   {}
func (idle) Activate(_ engine.Activation, _, _ []float32)                   {}
func (idle) ActivateBackward(_ engine.Activation, _, _, _ []float32)        {}
func (idle) Attention(_, _, _, _, _, _ []float32, _ engine.Shape)           {}
func (idle) AttentionBackward(_, _, _, _, _, _, _, _, _, _, _ []float32, _ engine.Shape) {
}
func (idle) CrossEntropy(_, _, _ []float32, _ []int32, _, _ int)                 {}
func (idle) CrossEntropyBackward(_, _ []float32, _ []int32, _ float32, _, _ int) {}
func (idle) Add(_, _, _ []float32)                                               {}
func (idle) Zero(_ []float32)                                                    {}
func (idle) SumSquares(_ []float32) float64                                      { return 1 }
func (idle) AdamW(_, _, _, _ []float32, _ engine.AdamW)                          {}
