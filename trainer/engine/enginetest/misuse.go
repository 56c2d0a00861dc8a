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
		k.LayerNorm(u.norm, u.mean, u.rstd, u.y, gain, bias, m, n)
	}
	var running sync.WaitGroup
	for _, u := range all {
		running.Go(func() {
			for range repeats {
				k.Linear(u.again, u.x, w, bias, m, kk, n, false)
				k.LayerNorm(u.normAgain, u.mean, u.rstd, u.again, gain, bias, m, n)
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
	row, column, probs := k.Alloc(n), k.Alloc(m), k.Alloc(h*m*m)
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
		{"LinearBackward", func() { k.LinearBackward(nil, square, nil, right, nil, nil, m, n, n, false) }},
		{"Embed", func() { k.Embed(short, square, nil, ids, 1, m, n) }},
		{"Embed", func() { k.Embed(right, square, row, ids, 1, m, n) }},
		{"Embed", func() { k.Embed(right, square, nil, []int32{0, 1, 2, 3, 4, 0}, 1, m, n) }},
		{"Embed", func() { k.Embed(right, square, nil, []int32{0, 1, 2, 3, -1, 0}, 1, m, n) }},
		{"EmbedBackward", func() { k.EmbedBackward(square, nil, short, ids, 1, m, n) }},
		{"EmbedBackward", func() { k.EmbedBackward(square, nil, right, []int32{9, 0, 0, 0, 0, 0}, 1, m, n) }},
		{"LayerNorm", func() { k.LayerNorm(right, row, column, right, row, row, m, n) }},
		{"LayerNormBackward", func() { k.LayerNormBackward(right, column, row, right, right, column, column, row, m, n) }},
		{"GELU", func() { k.GELU(right, short) }},
		{"GELUBackward", func() { k.GELUBackward(right, short, right) }},
		{"Attention", func() { k.Attention(right, probs, right, 1, m, n, h) }},
		{"Attention", func() { k.Attention(right, probs, wide, 1, m, n, 3) }},
		{"AttentionBackward", func() { k.AttentionBackward(wide, short, wide, probs, 1, m, n, h) }},
		{"CrossEntropy", func() { k.CrossEntropy(row, right, right, targets, m, n) }},
		{"CrossEntropy", func() { k.CrossEntropy(column, right, right, []int32{0, 0, 0, 4, 0, 0}, m, n) }},
		{"CrossEntropy", func() { k.CrossEntropy(column, right, right, []int32{0, 0, 0, -2, 0, 0}, m, n) }},
		{"CrossEntropyBackward", func() { k.CrossEntropyBackward(right, right, targets[:3], 1, m, n) }},
		{"Add", func() { k.Add(right, right, short) }},
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
