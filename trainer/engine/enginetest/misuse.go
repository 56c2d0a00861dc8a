package enginetest

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"millrace/trainer/engine"
)

// testGoroutines uses one Kernels from several goroutines at once; each has to get what it would have got alone.
func testGoroutines(t *testing.T, k engine.Kernels) {
	const m, kk, n, users, repeats = 70, 50, 90, 4, 20
	r := newRig(t, k, 7)
	w, bias := r.in(r.normal(kk*n, 1)), r.in(r.normal(n, 1))
	type user struct {
		x, y, again, mean, rstd, norm, normAgain []float32
	}
	all := make([]user, users)
	for i := range all {
		all[i] = user{
			r.in(r.normal(m*kk, 1)), r.out(m * n), r.out(m * n), r.out(m), r.out(m), r.out(m * n), r.out(m * n),
		}
	}
	gain := r.in(r.normal(n, 1))
	for _, u := range all {
		k.Linear(u.y, u.x, w, bias, m, kk, n, false)
		k.LayerNorm(u.norm, u.mean, u.rstd, u.y, gain, bias, 1e-5, m, n)
	}
	var running sync.WaitGroup
	for _, u := range all {
		running.Go(func() {
			for range repeats {
				k.Linear(u.again, u.x, w, bias, m, kk, n, false)
				k.LayerNorm(u.normAgain, u.mean, u.rstd, u.again, gain, bias, 1e-5, m, n)
			}
		})
	}
	running.Wait()
	for i, u := range all {
		r.near(fmt.Sprintf("Linear y of goroutine %d", i), u.again, wide(r.down(u.y)), 0, 1)
		r.near(fmt.Sprintf("LayerNorm y of goroutine %d", i), u.normAgain, wide(r.down(u.norm)), 0, 1)
	}
	r.done("an operation among goroutines")
}

// testShapes hands every operation something that does not fit: it has to refuse by name before it touches memory.
func testShapes(t *testing.T, k engine.Kernels) {
	const m, n, h = 6, 4, 2
	short, right, wide := k.Alloc(m*n-1), k.Alloc(m*n), k.Alloc(3*m*n)
	row, column, lse := k.Alloc(n), k.Alloc(m), k.Alloc(h*m)
	heads := engine.Heads{Q: h, KV: h, Dim: n / h}
	self := engine.Shape{B: 1, TQ: m, TK: m, Heads: heads, QStride: 3 * n, KVStride: 3 * n, YStride: n}
	with := func(change func(*engine.Shape)) engine.Shape {
		s := self
		change(&s)
		return s
	}
	square := k.Alloc(n * n)
	ids, targets := make([]int32, m), make([]int32, m)
	for _, c := range []struct {
		operation string
		misuse    func()
	}{
		{"Linear", func() { k.Linear(short, right, square, nil, m, n, n, false) }},
		{"Linear", func() { k.Linear(right, short, square, nil, m, n, n, false) }},
		{"Linear", func() { k.Linear(right, right, square, column, m, n, n, false) }},
		{"Linear", func() { k.Linear(right, nil, nil, nil, m, 0, n, false) }},
		{"LinearBackward", func() { k.LinearBackward(right, square, row, short, right, square, m, n, n, false) }},
		{"LinearGradient", func() { k.LinearGradient(square, right, short, m, n, n, false) }},
		{"LinearBackward", func() { k.LinearBackward(nil, square, nil, right, nil, nil, m, n, n, false) }},
		{"Embed", func() { k.Embed(short, square, nil, ids, 1, m, n) }},
		{"Embed", func() { k.Embed(right, square, row, ids, 1, m, n) }},
		{"Embed", func() { k.Embed(right, square, nil, []int32{0, 1, 2, 3, 4, 0}, 1, m, n) }},
		{"Embed", func() { k.Embed(right, square, nil, []int32{0, 1, 2, 3, -1, 0}, 1, m, n) }},
		{"EmbedBackward", func() { k.EmbedBackward(square, nil, short, ids, 1, m, n) }},
		{"EmbedBackward", func() { k.EmbedBackward(square, nil, right, []int32{9, 0, 0, 0, 0, 0}, 1, m, n) }},
		{"LayerNorm", func() { k.LayerNorm(right, row, column, right, row, row, 1e-5, m, n) }},
		{"LayerNormBackward", func() { k.LayerNormBackward(right, column, row, right, right, column, column, row, m, n) }},
		{"RMSNorm", func() { k.RMSNorm(right, row, right, row, 1e-5, m, n) }},
		{"RMSNorm", func() { k.RMSNorm(right, column, short, row, 1e-5, m, n) }},
		{"RMSNormBackward", func() { k.RMSNormBackward(right, column, right, right, column, row, m, n) }},
		{"HeadNorm", func() { k.HeadNorm(wide, column, wide, row[:2], row[:2], 1e-5, m, heads) }},
		{"HeadNorm", func() { k.HeadNorm(wide, lse, wide, row[:2], row[:2], 1e-5, m, engine.Heads{Q: 3, KV: 2, Dim: 2}) }},
		{"HeadNormBackward", func() {
			k.HeadNormBackward(wide, row, nil, wide, wide, k.Alloc(m*2*h), row[:2], row[:2], m, heads)
		}},
		{"Activate", func() { k.Activate(engine.GELU, right, short) }},
		{"Activate", func() { k.Activate("tanh", right, right) }},
		{"ActivateBackward", func() { k.ActivateBackward(engine.SiLU, right, short, right) }},
		{"Gate", func() { k.Gate(engine.SiLU, right, right, m, n) }},
		{"GateBackward", func() { k.GateBackward(engine.SiLU, right, right, right, m, n) }},
		{"GateBackward", func() { k.GateBackward("", k.Alloc(2*m*n), right, k.Alloc(2*m*n), m, n) }},
		{"Rotate", func() { k.Rotate(wide, wide, row[:2], row[:2], m, m, heads, false) }},
		{"Rotate", func() { k.Rotate(wide, wide, row, row, m, 1, engine.Heads{Q: 2, KV: 1, Dim: 3}, false) }},
		{"Dropout", func() { k.Dropout(right, short, 1, 0.5) }},
		{"Dropout", func() { k.Dropout(right, right, 1, 1) }},
		{"SoftCap", func() { k.SoftCap(right, short, 1) }},
		{"SoftCap", func() { k.SoftCap(right, right, 0) }},
		{"SoftCapBackward", func() { k.SoftCapBackward(right, short, right, 1) }},
		{"Attention", func() { k.Attention(right, lse, right, right, right, nil, self) }},
		{"Attention", func() { k.Attention(right, column, wide, wide[n:], wide[2*n:], nil, self) }},
		{"Attention", func() { k.Attention(right, lse, wide, wide[n:], wide[2*n:], row, self) }},
		{"Attention", func() {
			k.Attention(right, lse, wide, wide[n:], wide[2*n:], nil, with(func(s *engine.Shape) { s.Heads.KV = 3 }))
		}},
		{"Attention", func() {
			k.Attention(right, lse, wide, wide[n:], wide[2*n:], nil, with(func(s *engine.Shape) { s.YStride = n - 1 }))
		}},
		{"Attention", func() {
			k.Attention(right, lse, wide, wide[n:], wide[2*n:], nil, with(func(s *engine.Shape) { s.Lengths = []int32{m + 1} }))
		}},
		{"Attention", func() {
			k.Attention(right, lse, wide, wide[n:], wide[2*n:], nil, with(func(s *engine.Shape) { s.Starts = []int32{0, 0} }))
		}},
		{"Attention", func() {
			k.Attention(right, lse, wide, wide[n:], wide[2*n:], nil, with(func(s *engine.Shape) { s.Slopes = []float32{1} }))
		}},
		{"AttentionBackward", func() {
			k.AttentionBackward(wide, wide[n:], wide[2*n:], nil, short, right, lse, wide, wide[n:], wide[2*n:], nil, self)
		}},
		{"AttentionBackward", func() {
			k.AttentionBackward(wide, wide[n:], wide[2*n:], nil, right, right, lse, wide, wide[n:], wide[2*n:], nil, with(func(s *engine.Shape) { s.TK = 0 }))
		}},
		{"Relative", func() { k.Relative(row, row, []int32{0, 1}, 3) }},
		{"Relative", func() { k.Relative(row, row, []int32{0, 2}, h) }},
		{"RelativeBackward", func() { k.RelativeBackward(row, column, []int32{0, 1}, h) }},
		{"CrossEntropy", func() { k.CrossEntropy(row, right, right, targets, m, n) }},
		{"CrossEntropy", func() { k.CrossEntropy(column, right, right, []int32{0, 0, 0, 4, 0, 0}, m, n) }},
		{"CrossEntropy", func() { k.CrossEntropy(column, right, right, []int32{0, 0, 0, -2, 0, 0}, m, n) }},
		{"CrossEntropyBackward", func() { k.CrossEntropyBackward(right, right, targets[:3], 1, m, n) }},
		{"ArgMax", func() { k.ArgMax(targets[:3], right, m, n) }},
		{"ArgMax", func() { k.ArgMax(targets, short, m, n) }},
		{"Add", func() { k.Add(right, right, short) }},
		{"Mix", func() { k.Mix(right, short, right, 1, 1) }},
		{"Mix", func() { k.Mix(right, right, short, 1, 1) }},
		{"Lion", func() { k.Lion(right, short, right, engine.Lion{}) }},
		{"SGD", func() { k.SGD(right, nil, right, engine.SGD{Momentum: 0.9}) }},
		{"SGD", func() { k.SGD(right, right, short, engine.SGD{}) }},
		{"AdamW", func() { k.AdamW(right, right, short, right, engine.AdamW{Step: 1}) }},
		{"Upload", func() { k.Upload(right, make([]float32, 3)) }},
		{"Download", func() { k.Download(make([]float32, 3), right) }},
	} {
		func() {
			defer func() {
				if said := fmt.Sprint(recover()); !strings.Contains(said, c.operation+" ") {
					t.Errorf("%s on what does not fit its shape: panicked with %q, which does not name it", c.operation, said)
				}
			}()
			c.misuse()
		}()
	}
}
