package cpu

import (
	"math"

	"millrace/trainer/engine"
)

// fast drives the primitives of one level from several threads. Every reduction has an order fixed by the shapes alone.
type fast struct {
	memory
	level
	crew      *crew
	name      string
	precision engine.Precision
}

// Sizes of tasks. They are part of the result where a reduction is cut by them, so they never depend on the thread count.
const (
	span     = 8192 // values of an element-wise operation or of a sum of squares
	rowBlock = 64   // rows whose parameter gradients are summed before they meet other blocks'
	columns  = 64   // columns of a sum over rows
)

// Info names what products are made with: tiles are only for bfloat16.
func (k *fast) Info() engine.Info {
	kernels := k.level.name
	if k.precision == engine.BF16 {
		kernels = k.bf16.name
	}
	return engine.Info{Kind: "cpu", Name: k.name, Kernels: kernels, Threads: k.crew.threads}
}

func (k *fast) With(p engine.Precision) (engine.Kernels, error) {
	if err := knownPrecision(p); err != nil {
		return nil, err
	}
	other := *k
	other.precision = p
	return &other, nil
}

func (k *fast) Linear(y, x, w, b []float32, m, kk, n int, transposed bool) {
	linearShapes(y, x, w, b, m, kk, n)
	p := product{c: y, cRow: n, a: x, aRow: kk, aCol: 1, b: w, bRow: n, bCol: 1, bias: b, m: m, n: n, k: kk}
	if transposed {
		p.bRow, p.bCol = 1, kk
	}
	k.product(p)
}

func (k *fast) LinearBackward(dx, dw, db, dy, x, w []float32, m, kk, n int, transposed bool) {
	linearBackwardShapes(dx, dw, db, dy, x, w, m, kk, n)
	if db != nil {
		k.crew.spans(n, columns, func(_ *scratch, from, to int) { k.sumRows(db[from:to], dy[from:], n, m) })
	}
	if dx != nil {
		p := product{c: dx, cRow: kk, a: dy, aRow: n, aCol: 1, b: w, bRow: 1, bCol: n, m: m, n: kk, k: n}
		if transposed {
			p.bRow, p.bCol = kk, 1
		}
		k.product(p)
	}
	if dw != nil && !transposed {
		k.product(product{c: dw, cRow: n, a: x, aRow: 1, aCol: kk, b: dy, bRow: n, bCol: 1, add: true, m: kk, n: n, k: m})
	}
	if dw != nil && transposed {
		k.product(product{c: dw, cRow: kk, a: dy, aRow: 1, aCol: n, b: x, bRow: kk, bCol: 1, add: true, m: n, n: kk, k: m})
	}
}

func (k *fast) Embed(y, table, pos []float32, ids []int32, b, t, c int) {
	embedShapes(y, table, pos, ids, b, t, c)
	k.crew.spans(b*t, max(1, span/c), func(_ *scratch, from, to int) {
		for i := from; i < to; i++ {
			row, entry := y[i*c:(i+1)*c], table[int(ids[i])*c:][:c]
			if pos == nil {
				copy(row, entry)
			} else {
				k.add(row, entry, pos[i%t*c:][:c])
			}
		}
	})
}

func (k *fast) EmbedBackward(dtable, dpos, dy []float32, ids []int32, b, t, c int) {
	embedBackwardShapes(dtable, dpos, dy, ids, b, t, c)
	k.crew.spans(c, columns, func(_ *scratch, from, to int) {
		for i := range b * t {
			row := dy[i*c+from : i*c+to]
			if dtable != nil {
				sum := dtable[int(ids[i])*c+from:][:to-from]
				k.add(sum, sum, row)
			}
			if dpos != nil {
				sum := dpos[i%t*c+from:][:to-from]
				k.add(sum, sum, row)
			}
		}
	})
}

func (k *fast) LayerNorm(y, mean, rstd, x, gain, bias []float32, eps float32, rows, c int) {
	layerNormShapes(y, mean, rstd, x, gain, bias, rows, c)
	inverse := float32(1 / float64(c))
	k.crew.spans(rows, max(1, span/c), func(_ *scratch, from, to int) {
		for i := from; i < to; i++ {
			mean[i], rstd[i] = k.layerNorm(y[i*c:(i+1)*c], x[i*c:(i+1)*c], gain, bias, inverse, eps)
		}
	})
}

func (k *fast) LayerNormBackward(dx, dgain, dbias, dy, x, mean, rstd, gain []float32, rows, c int) {
	layerNormBackwardShapes(dx, dgain, dbias, dy, x, mean, rstd, gain, rows, c)
	inverse := float32(1 / float64(c))
	s := k.crew.take()
	defer k.crew.give(s)
	blocks := (rows + rowBlock - 1) / rowBlock
	partial := grow(&s.scores, 2*c*blocks) // dgain and dbias of every block, side by side
	k.crew.spans(rows, rowBlock, func(s *scratch, from, to int) {
		sums := partial[from/rowBlock*2*c:][:2*c]
		clear(sums)
		out := grow(&s.rows, c)
		for i := from; i < to; i++ {
			if dx != nil {
				out = dx[i*c : (i+1)*c]
			}
			k.layerNormBackward(out, sums[:c], sums[c:], dy[i*c:(i+1)*c], x[i*c:(i+1)*c], gain, mean[i], rstd[i], inverse)
		}
	})
	if dgain != nil {
		k.sumRows(dgain, partial, 2*c, blocks)
	}
	if dbias != nil {
		k.sumRows(dbias, partial[c:], 2*c, blocks)
	}
}

func (k *fast) CrossEntropy(losses, probs, logits []float32, targets []int32, m, v int) {
	crossEntropyShapes(losses, probs, logits, targets, m, v)
	k.crew.spans(m, max(1, span/v), func(_ *scratch, from, to int) {
		for i := from; i < to; i++ {
			row := logits[i*v : (i+1)*v]
			right := float32(0)
			if targets[i] >= 0 {
				right = row[targets[i]] // probs may take its place
			}
			best, sum := k.softmax(probs[i*v:(i+1)*v], row, 1)
			losses[i] = 0
			if targets[i] >= 0 {
				losses[i] = float32(math.Log(float64(sum)) + float64(best) - float64(right))
			}
		}
	})
}

func (k *fast) CrossEntropyBackward(dlogits, probs []float32, targets []int32, scale float32, m, v int) {
	crossEntropyBackwardShapes(dlogits, probs, targets, m, v)
	k.crew.spans(m, max(1, span/v), func(_ *scratch, from, to int) {
		for i := from; i < to; i++ {
			out := dlogits[i*v : (i+1)*v]
			if targets[i] < 0 {
				clear(out)
				continue
			}
			right := probs[i*v+int(targets[i])]
			k.level.scale(out, probs[i*v:(i+1)*v], scale)
			out[targets[i]] = (right - 1) * scale
		}
	})
}

func (k *fast) Add(dst, a, b []float32) {
	need("Add a", a, len(dst))
	need("Add b", b, len(dst))
	k.crew.spans(len(dst), span, func(_ *scratch, from, to int) { k.add(dst[from:to], a[from:to], b[from:to]) })
}

func (k *fast) Scale(x []float32, s float32) {
	k.crew.spans(len(x), span, func(_ *scratch, from, to int) { k.level.scale(x[from:to], x[from:to], s) })
}

func (k *fast) Zero(x []float32) {
	k.crew.spans(len(x), 8*span, func(_ *scratch, from, to int) { clear(x[from:to]) })
}

func (k *fast) SumSquares(x []float32) float64 {
	partial := make([]float64, (len(x)+span-1)/span)
	k.crew.spans(len(x), span, func(_ *scratch, from, to int) { partial[from/span] = k.sumSquares(x[from:to]) })
	var sum float64
	for _, p := range partial {
		sum += p
	}
	return sum
}

func (k *fast) AdamW(p, m, v, g []float32, h engine.AdamW) {
	adamWShapes(p, m, v, g)
	coefficients := adamWCoefficients(h)
	k.crew.spans(len(p), span, func(_ *scratch, from, to int) {
		k.adamW(p[from:to], m[from:to], v[from:to], g[from:to], &coefficients)
	})
}

// adamWCoefficients folds the bias corrections of a step into the factors that every parameter shares; see adamWGo.
func adamWCoefficients(h engine.AdamW) [9]float32 {
	beta1, beta2, step := float64(h.Beta1), float64(h.Beta2), float64(h.Step)
	return [9]float32{
		h.Beta1, float32(1 - beta1), h.Beta2, float32(1 - beta2), h.GradScale,
		float32(float64(h.LR) / (1 - math.Pow(beta1, step))), float32(1 / (1 - math.Pow(beta2, step))),
		h.Eps, h.LR * h.WeightDecay,
	}
}
