package trainer_test

import (
	"context"
	"math"
	"strings"
	"testing"

	"millrace/trainer"
	"millrace/trainer/engine"
	"millrace/trainer/engine/cpu"
)

func TestProductsInBF16AreAlmostThose(t *testing.T) {
	c := tiny()
	c.Steps = 60
	full, half := newMemory(), newMemory()
	if _, err := trainer.Run(context.Background(), job(c, cpu.Reference(), full)); err != nil {
		t.Fatal(err)
	}
	c.Precision = "bf16"
	r, err := trainer.Run(context.Background(), job(c, fast(t, 2), half))
	if err != nil {
		t.Fatal(err)
	}
	first, last := math.Abs(half.value(1, "train/loss")-full.value(1, "train/loss")), math.Abs(r.Loss-full.value(60, "train/loss"))
	if first == 0 || first > 0.01 || last > 0.1 {
		t.Errorf("losses differ by %g at the first step and %g at the last", first, last)
	}
	// On another number of threads, and resumed, it is the same to the bit.
	again := newMemory()
	again.checkpoints[30] = half.checkpoints[30]
	j := job(c, fast(t, 1), again)
	j.Resume = again.open(30)
	if _, err := trainer.Run(context.Background(), j); err != nil {
		t.Fatal(err)
	}
	delete(again.checkpoints, 30)
	same(t, half, again, 31)
	j.Resume, j.Config.Precision = half.open(30), ""
	if _, err := trainer.Run(context.Background(), j); err == nil || !strings.Contains(err.Error(), "precision differs") {
		t.Error(err)
	}
}

func TestADeviceWithoutHalfPrecisionSaysSo(t *testing.T) {
	c := tiny()
	c.Precision = "fp16"
	if _, err := trainer.Run(context.Background(), job(c, cpu.Reference(), newMemory())); err == nil || !strings.Contains(err.Error(), `no products in precision "fp16"`) {
		t.Error(err)
	}
}

// half are kernels with the range of IEEE half precision in the products of the backward pass.
type half struct{ engine.Kernels }

func (h half) With(engine.Precision) (engine.Kernels, error) { return h, nil }

func (h half) LinearGradient(dw, dy, x []float32, m, k, n int, transposed bool) {
	narrow(dy)
	h.Kernels.LinearGradient(dw, dy, x, m, k, n, transposed)
}

func (h half) LinearBackward(dx, dw, db, dy, x, w []float32, m, k, n int, transposed bool) {
	narrow(dy)
	h.Kernels.LinearBackward(dx, dw, db, dy, x, w, m, k, n, transposed)
}

// narrow is what half precision makes of gradients.
func narrow(dy []float32) {
	for i, v := range dy {
		switch {
		case math.Abs(float64(v)) > 65504:
			dy[i] = float32(math.Inf(1))
		case math.Abs(float64(v)) < 6e-8:
			dy[i] = 0
		}
	}
}

func TestTheLossScaleGivesWay(t *testing.T) {
	c := tiny()
	c.Precision, c.BatchSize, c.GradAccum = "fp16", 1, 1
	c.Model.Context = 1 // one target: its gradient is near 1, and 65536 times that overflows
	m := newMemory()
	r, err := trainer.Run(context.Background(), job(c, half{cpu.Reference()}, m))
	if err != nil || !r.Done {
		t.Fatalf("%+v %v", r, err)
	}
	skipped := m.value(40, "skipped")
	if skipped < 1 || skipped > 5 || m.value(40, "loss_scale") != 65536/math.Pow(2, skipped) {
		t.Errorf("%g steps skipped, scale %g", skipped, m.value(40, "loss_scale"))
	}
	if n := m.value(1, "grad_norm"); !math.IsInf(n, 0) && !math.IsNaN(n) {
		t.Errorf("the first norm is %g", n)
	}
	if n := m.value(40, "grad_norm"); !(n > 0 && n < 100) {
		t.Errorf("the last norm is %g: it is without the scale", n)
	}
	again := newMemory()
	again.checkpoints[10] = m.checkpoints[10]
	j := job(c, half{cpu.Reference()}, again)
	j.Resume = again.open(10)
	if _, err := trainer.Run(context.Background(), j); err != nil {
		t.Fatal(err)
	}
	delete(again.checkpoints, 10)
	same(t, m, again, 11)
}

func TestStatisticsOfEveryParameter(t *testing.T) {
	c := tiny()
	c.Steps, c.LayerStats = 20, 5
	plain, told := newMemory(), newMemory()
	if _, err := trainer.Run(context.Background(), job(c, cpu.Reference(), told)); err != nil {
		t.Fatal(err)
	}
	c.LayerStats = 0
	if _, err := trainer.Run(context.Background(), job(c, cpu.Reference(), plain)); err != nil {
		t.Fatal(err)
	}
	const wte = "layer/transformer.wte.weight/"
	for step := int64(1); step <= 20; step++ {
		if got, want := told.value(step, "train/loss"), plain.value(step, "train/loss"); got != want {
			t.Fatalf("step %d: loss %g with statistics, %g without: they only look", step, got, want)
		}
		square, due := 0.0, step%5 == 0
		for key, v := range told.points[step-1] {
			if strings.HasPrefix(key, trainer.PrefixLayer) && strings.HasSuffix(key, "/grad_norm") {
				square += v * v
			}
		}
		if norm := told.value(step, "grad_norm"); due && math.Abs(math.Sqrt(square)-norm) > 1e-9*norm {
			t.Errorf("step %d: the parameters' gradients have a norm of %g together, not %g", step, math.Sqrt(square), norm)
		}
		w, ratio := told.value(step, wte+"weight_norm"), told.value(step, wte+"update_ratio")
		if due != (w > 0 && ratio > 0 && ratio < 1) || math.IsNaN(w) == due {
			t.Errorf("step %d: norm %g, ratio %g", step, w, ratio)
		}
	}
	// A bias that begins at zero has a ratio as soon as it has a norm.
	if got := told.value(20, "layer/transformer.h.0.ln_1.bias/update_ratio"); !(got > 0) {
		t.Errorf("%g", got)
	}
}
