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

// gflops reports multiply-adds as two operations each.
func gflops(b *testing.B, multiplyAdds int) {
	b.ReportMetric(2*float64(multiplyAdds)*float64(b.N)/float64(b.Elapsed())*float64(time.Second)/1e9, "GFLOP/s")
}

func BenchmarkLinear(b *testing.B) {
	for _, threads := range []int{1, 2} {
		k := open(b, threads)
		for _, s := range shapes {
			b.Run(fmt.Sprintf("%dx%dx%d/threads=%d", s.m, s.k, s.n, threads), func(b *testing.B) {
				x, w, bias, y := ramp(s.m*s.k), ramp(s.k*s.n), ramp(s.n), k.Alloc(s.m*s.n)
				for b.Loop() {
					k.Linear(y, x, w, bias, s.m, s.k, s.n, false)
				}
				gflops(b, s.m*s.k*s.n)
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
				for b.Loop() {
					k.LinearBackward(dx, dw, db, dy, x, w, s.m, s.k, s.n, false)
				}
				gflops(b, 2*s.m*s.k*s.n)
			})
		}
	}
}

// BenchmarkPeak is the most that fused multiply-adds can do here and now: a tile whose operands stay in the first-level
// cache. Every other figure is to be read as a part of it.
func BenchmarkPeak(b *testing.B) {
	const m, k, n = 14, 192, 32
	for _, threads := range []int{1, 2} {
		b.Run(fmt.Sprintf("threads=%d", threads), func(b *testing.B) {
			kernels := open(b, 1)
			b.SetParallelism(1)
			done := make(chan struct{})
			const repeats = 4096
			run := func() {
				x, w, y := ramp(m*k), ramp(k*n), make([]float32, m*n)
				for range repeats {
					kernels.Linear(y, x, w, nil, m, k, n, false)
				}
				done <- struct{}{}
			}
			for b.Loop() {
				for range threads {
					go run()
				}
				for range threads {
					<-done
				}
			}
			gflops(b, threads*repeats*m*k*n)
		})
	}
}
