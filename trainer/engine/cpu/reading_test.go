package cpu_test

import (
	"testing"

	"millrace/trainer/engine"
	"millrace/trainer/engine/cpu"
	"millrace/trainer/engine/enginetest"
)

func TestReferenceReads(t *testing.T) {
	enginetest.RunReader(t, func() engine.Reader { return cpu.Reference().(engine.Reader) })
}

func TestEveryLevelReads(t *testing.T) {
	for _, level := range []string{"go", "avx2", "avx512"} {
		t.Run(level, func(t *testing.T) {
			onlyPlainInShort(t, level)
			t.Setenv("MILLRACE_KERNELS", level)
			open := func(threads int) engine.Reader {
				k, err := cpu.Open(threads)
				if err != nil {
					t.Skip(err)
				}
				return k.(engine.Reader)
			}
			enginetest.RunReader(t, func() engine.Reader { return open(2) })
			enginetest.SameReadingForAnyThreads(t, open)
		})
	}
}

// BenchmarkMultiply reads the weights of a layer of GPT-2 124M and its head; GB/s is what is read of memory.
func BenchmarkMultiply(b *testing.B) {
	for _, shape := range []struct {
		name       string
		k, n, rows int
		transposed bool
	}{{"768x50257", 768, 50257, 1, true}, {"768x3072", 768, 3072, 1, false}, {"3072x768", 3072, 768, 1, false}, {"768x3072rows64", 768, 3072, 64, false}} {
		for _, form := range engine.Forms() {
			b.Run(shape.name+"/"+string(form), func(b *testing.B) {
				k := open(b, 0).(engine.Reader)
				w := k.Alloc(shape.k * shape.n)
				k.Upload(w, ramp(len(w)))
				copies := 1
				for copies*len(w) < 120<<20 && shape.rows == 1 { // more than a cache holds
					copies++
				}
				packed := make([]engine.Weights, copies)
				for i := range packed {
					v := k.Alloc(len(w))
					copy(v, w)
					packed[i] = k.Pack(v, shape.k, shape.n, shape.transposed, form)
				}
				bytes := packed[0].Bytes()
				if bytes == 0 {
					bytes = int64(4 * len(w))
				}
				x, y := k.Alloc(shape.rows*shape.k), k.Alloc(shape.rows*shape.n)
				i := 0
				for b.Loop() {
					k.Multiply(y, x, packed[i%copies], nil, shape.rows)
					i++
				}
				b.ReportMetric(float64(bytes)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GB/s")
				b.ReportMetric(2*float64(shape.rows)*float64(shape.k)*float64(shape.n)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}
