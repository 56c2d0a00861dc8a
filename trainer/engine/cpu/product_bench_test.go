package cpu_test

import (
	"fmt"
	"testing"
	"time"

	"millrace/trainer/engine"
	"millrace/trainer/engine/cpu"
)

// shapes are the products of a step: those of GPT-2 124M, of a tiny GPT (batch 8, context 128, width 128) and of the demo.
var shapes = []struct{ m, k, n int }{
	{1024, 768, 3072},
	{256, 768, 768},
	{256, 128, 512},
	{1024, 128, 512},
	{1024, 128, 384},
	{1024, 128, 128},
	{1024, 512, 128},
	{1024, 128, 256},
	{1024, 128, 4096},
}

func open(b *testing.B, threads int) engine.Kernels {
	k, err := cpu.Open(threads)
	if err != nil {
		b.Fatal(err)
	}
	return k
}

func ramp(n int) []float32 {
	s := make([]float32, n)
	for i := range s {
		s[i] = float32(i%17-8) / 16
	}
	return s
}

// measure runs op, a product of so many multiply-adds, in turns with the tile on operands in the first-level cache. Beside
// the mean speed it reports the best time's part of the best of those on all threads: a ratio that other work on the
// machine hardly changes. A multiply-add is two operations.
func measure(b *testing.B, k engine.Kernels, multiplyAdds int, op func()) {
	var spent time.Duration
	best, peak := 0.0, 0.0
	tile := cpu.Burst(k)
	for b.Loop() {
		start := time.Now()
		op()
		took := time.Since(start)
		spent += took
		best = max(best, 2*float64(multiplyAdds)/float64(took))
		start = time.Now()
		done := tile()
		peak = max(peak, 2*float64(done)/float64(time.Since(start)))
	}
	b.ReportMetric(float64(spent)/float64(b.N), "ns/op")
	b.ReportMetric(2*float64(multiplyAdds)*float64(b.N)/float64(spent), "GFLOP/s")
	b.ReportMetric(best, "best-GFLOP/s")
	b.ReportMetric(100*best/peak/float64(k.Info().Threads), "%peak")
}

// BenchmarkPeak is what the other figures are held against: the product's innermost loop, and memory read, written, and copied,
// 512 MB of it, more than a cache holds.
func BenchmarkPeak(b *testing.B) {
	for _, threads := range []int{1, 2} {
		k := open(b, threads)
		half, err := k.With(engine.BF16)
		if err != nil {
			b.Fatal(err)
		}
		for _, of := range []struct {
			name string
			k    engine.Kernels
		}{{"f32", k}, {"bf16", half}} {
			b.Run(fmt.Sprintf("%s/threads=%d", of.name, threads), func(b *testing.B) {
				for b.Loop() {
					b.ReportMetric(of.k.(interface{ PeakFLOPS() float64 }).PeakFLOPS()/1e9, "GFLOP/s")
				}
			})
		}
		x, y := k.Alloc(1<<27), k.Alloc(1<<27)
		k.Scale(x, 1)
		k.Scale(y, 1)
		for _, of := range []struct {
			name string
			gb   float64
			run  func()
		}{
			{"read", 0.5, func() { k.SumSquares(x) }},
			{"change", 1, func() { k.Scale(x, 1) }},
			{"copy", 1, func() { k.Mix(y, x, nil, 1, 0) }},
		} {
			b.Run(fmt.Sprintf("%s/threads=%d", of.name, threads), func(b *testing.B) {
				best := time.Hour
				for b.Loop() {
					start := time.Now()
					of.run()
					best = min(best, time.Since(start))
				}
				b.ReportMetric(of.gb*1.073741824/best.Seconds(), "best-GB/s")
			})
		}
	}
}

func BenchmarkLinear(b *testing.B) {
	for _, threads := range []int{1, 2} {
		k := open(b, threads)
		for _, s := range shapes {
			b.Run(fmt.Sprintf("%dx%dx%d/threads=%d", s.m, s.k, s.n, threads), func(b *testing.B) {
				x, w, bias, y := ramp(s.m*s.k), ramp(s.k*s.n), ramp(s.n), k.Alloc(s.m*s.n)
				measure(b, k, s.m*s.k*s.n, func() { k.Linear(y, x, w, bias, s.m, s.k, s.n, false) })
			})
		}
	}
}

func BenchmarkLinearBackward(b *testing.B) {
	for _, threads := range []int{1, 2} {
		k := open(b, threads)
		for _, s := range shapes {
			b.Run(fmt.Sprintf("%dx%dx%d/threads=%d", s.m, s.k, s.n, threads), func(b *testing.B) {
				x, w, dy := ramp(s.m*s.k), ramp(s.k*s.n), ramp(s.m*s.n)
				dx, dw, db := k.Alloc(s.m*s.k), k.Alloc(s.k*s.n), k.Alloc(s.n)
				measure(b, k, 2*s.m*s.k*s.n, func() { k.LinearBackward(dx, dw, db, dy, x, w, s.m, s.k, s.n, false) })
			})
		}
	}
}

// BenchmarkNextToken is the head of GPT-2 for one position, and a layer's product: what generation waits for.
func BenchmarkNextToken(b *testing.B) {
	k := open(b, 2)
	for _, s := range []struct {
		k, n       int
		transposed bool
	}{{128, 512, false}, {768, 3072, false}, {768, 50257, true}} {
		b.Run(fmt.Sprintf("1x%dx%d/transposed=%v", s.k, s.n, s.transposed), func(b *testing.B) {
			x, w, y := ramp(s.k), k.Alloc(s.k*s.n), k.Alloc(s.n)
			k.Upload(w, ramp(s.k*s.n))
			for b.Loop() {
				k.Linear(y, x, w, nil, 1, s.k, s.n, s.transposed)
			}
			b.ReportMetric(4*float64(s.k*s.n)*float64(b.N)/float64(b.Elapsed()), "GB/s")
		})
	}
}

// BenchmarkCold is the products of GPT-2 124M's step as they meet their weights: twelve matrices in turn, so that each comes from memory.
func BenchmarkCold(b *testing.B) {
	const m = 256
	for _, s := range []struct {
		k, n, copies int
		transposed   bool
	}{{768, 2304, 12, false}, {768, 768, 24, false}, {768, 3072, 12, false}, {3072, 768, 12, false}, {768, 50257, 1, true}} {
		for _, precision := range []engine.Precision{engine.F32, engine.BF16} {
			for _, threads := range []int{1, 2} {
				k, err := open(b, threads).With(precision)
				if err != nil {
					b.Fatal(err)
				}
				w, dw := k.Alloc(s.copies*s.k*s.n), k.Alloc(s.copies*s.k*s.n)
				x, y := k.Alloc(m*s.k), k.Alloc(m*s.n)
				for _, values := range [][]float32{w, x, y} {
					k.Upload(values, ramp(len(values)))
				}
				name := fmt.Sprintf("%dx%dx%d/%s/threads=%d/", m, s.k, s.n, precision, threads)
				for _, of := range []struct {
					name string
					run  func(w, dw []float32)
				}{
					{"forward", func(w, _ []float32) { k.Linear(y, x, w, nil, m, s.k, s.n, s.transposed) }},
					{"dx", func(w, _ []float32) { k.LinearBackward(x, nil, nil, y, x, w, m, s.k, s.n, s.transposed) }},
					{"dw", func(_, dw []float32) { k.LinearGradient(dw, y, x, m, s.k, s.n, s.transposed) }},
				} {
					turn := 0
					b.Run(name+of.name, func(b *testing.B) {
						measure(b, k, m*s.k*s.n, func() {
							at := turn % s.copies * s.k * s.n
							turn++
							of.run(w[at:at+s.k*s.n], dw[at:at+s.k*s.n])
						})
					})
				}
			}
		}
	}
}
