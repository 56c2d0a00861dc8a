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
	alone     bool // on one thread
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

func (k *fast) Alone() engine.Kernels {
	if k.crew.threads == 1 {
		return nil
	}
	other := *k
	other.alone = true
	return &other
}

func (k *fast) Beside(do func()) {
	k.crew.beside.Add(1)
	defer k.crew.beside.Add(-1)
	do()
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
		spans(k, n, columns, columnSums{db, dy, m, n}, func(k *fast, a *columnSums, _ *scratch, from, to int) {
			k.sumRows(a.sum[from:to], a.rows[from:], a.n, a.m)
		})
	}
	if dx != nil {
		p := product{c: dx, cRow: kk, a: dy, aRow: n, aCol: 1, b: w, bRow: 1, bCol: n, m: m, n: kk, k: n}
		if transposed {
			p.bRow, p.bCol = kk, 1
		}
		k.product(p)
	}
	if dw != nil {
		k.linearGradient(dw, dy, x, m, kk, n, transposed, true)
	}
}

func (k *fast) LinearGradient(dw, dy, x []float32, m, kk, n int, transposed bool) {
	linearGradientShapes(dw, dy, x, m, kk, n)
	k.linearGradient(dw, dy, x, m, kk, n, transposed, false)
}

func (k *fast) linearGradient(dw, dy, x []float32, m, kk, n int, transposed, add bool) {
	if transposed {
		k.product(product{c: dw, cRow: kk, a: dy, aRow: 1, aCol: n, b: x, bRow: kk, bCol: 1, add: add, m: n, n: kk, k: m})
		return
	}
	k.product(product{c: dw, cRow: n, a: x, aRow: 1, aCol: kk, b: dy, bRow: n, bCol: 1, add: add, m: kk, n: n, k: m})
}

func (k *fast) Embed(y, table, pos []float32, ids []int32, b, t, c int) {
	embedShapes(y, table, pos, ids, b, t, c)
	spans(k, b*t, max(1, span/c), lookup{y, table, pos, ids, t, c}, func(k *fast, a *lookup, _ *scratch, from, to int) {
		for i, c := from, a.c; i < to; i++ {
			row, entry := a.rows[i*c:(i+1)*c], a.table[int(a.ids[i])*c:][:c]
			if a.pos == nil {
				copy(row, entry)
			} else {
				k.add(row, entry, a.pos[i%a.t*c:][:c])
			}
		}
	})
}

// lookup is what Embed and its backward pass work on; in the latter, table and pos are gradients and rows is dy.
type lookup struct {
	rows, table, pos []float32
	ids              []int32
	t, c             int
}

// columnSums adds the sums of m rows of n to sum.
type columnSums struct {
	sum, rows []float32
	m, n      int
}

func (k *fast) EmbedBackward(dtable, dpos, dy []float32, ids []int32, b, t, c int) {
	embedBackwardShapes(dtable, dpos, dy, ids, b, t, c)
	spans(k, c, columns, lookup{dy, dtable, dpos, ids, t, c}, func(k *fast, a *lookup, _ *scratch, from, to int) {
		for i, id := range a.ids {
			row := a.rows[i*a.c+from : i*a.c+to]
			if a.table != nil {
				sum := a.table[int(id)*a.c+from:][:to-from]
				k.add(sum, sum, row)
			}
			if a.pos != nil {
				sum := a.pos[i%a.t*a.c+from:][:to-from]
				k.add(sum, sum, row)
			}
		}
	})
}

func (k *fast) LayerNorm(y, mean, rstd, x, gain, bias []float32, eps float32, rows, c int) {
	layerNormShapes(y, mean, rstd, x, gain, bias, rows, c)
	n := norm{y: y, x: x, gain: gain, bias: bias, mean: mean, rstd: rstd, eps: eps, inverse: float32(1 / float64(c)), c: c}
	spans(k, rows, max(1, span/c), n, func(k *fast, n *norm, _ *scratch, from, to int) {
		for i, c := from, n.c; i < to; i++ {
			n.mean[i], n.rstd[i] = k.layerNorm(n.y[i*c:(i+1)*c], n.x[i*c:(i+1)*c], n.gain, n.bias, n.inverse, n.eps)
		}
	})
}

func (k *fast) LayerNormBackward(dx, dgain, dbias, dy, x, mean, rstd, gain []float32, rows, c int) {
	layerNormBackwardShapes(dx, dgain, dbias, dy, x, mean, rstd, gain, rows, c)
	s := k.crew.take()
	defer k.crew.give(s)
	blocks := (rows + rowBlock - 1) / rowBlock
	partial := grow(&s.scores, 2*c*blocks) // dgain and dbias of every block, side by side
	n := norm{y: dy, x: x, gain: gain, mean: mean, rstd: rstd, inverse: float32(1 / float64(c)), c: c, dx: dx, partial: partial}
	spans(k, rows, rowBlock, n, func(k *fast, n *norm, s *scratch, from, to int) {
		c := n.c
		sums := n.partial[from/rowBlock*2*c:][:2*c]
		clear(sums)
		out := grow(&s.rows, c)
		for i := from; i < to; i++ {
			if n.dx != nil {
				out = n.dx[i*c : (i+1)*c]
			}
			k.layerNormBackward(out, sums[:c], sums[c:], n.y[i*c:(i+1)*c], n.x[i*c:(i+1)*c], n.gain, n.mean[i], n.rstd[i], n.inverse)
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
	spans(k, m, max(1, span/v), loss{losses, probs, logits, targets, v, 1}, func(k *fast, l *loss, _ *scratch, from, to int) {
		for i, v := from, l.v; i < to; i++ {
			row, target := l.logits[i*v:(i+1)*v], l.targets[i]
			right := float32(0)
			if target >= 0 {
				right = row[target] // probs may take its place
			}
			best, sum := k.softmax(l.probs[i*v:(i+1)*v], row, 1)
			l.losses[i] = 0
			if target >= 0 {
				l.losses[i] = float32(math.Log(float64(sum)) + float64(best) - float64(right))
			}
		}
	})
}

// loss is what CrossEntropy and its backward pass work on; in the latter, logits are their gradient.
type loss struct {
	losses, probs, logits []float32
	targets               []int32
	v                     int
	scale                 float32
}

func (k *fast) CrossEntropyBackward(dlogits, probs []float32, targets []int32, scale float32, m, v int) {
	crossEntropyBackwardShapes(dlogits, probs, targets, m, v)
	spans(k, m, max(1, span/v), loss{nil, probs, dlogits, targets, v, scale}, func(k *fast, l *loss, _ *scratch, from, to int) {
		for i, v := from, l.v; i < to; i++ {
			out, target := l.logits[i*v:(i+1)*v], l.targets[i]
			if target < 0 {
				clear(out)
				continue
			}
			right := l.probs[i*v+int(target)]
			k.level.scale(out, l.probs[i*v:(i+1)*v], l.scale)
			out[target] = (right - 1) * l.scale
		}
	})
}

func (k *fast) ArgMax(best []int32, x []float32, m, v int) {
	argMaxShapes(best, x, m, v)
	spans(k, m, max(1, span/v), largest{best, x, v}, func(_ *fast, l *largest, _ *scratch, from, to int) {
		for i := from; i < to; i++ {
			l.best[i] = argMax(l.x[i*l.v : (i+1)*l.v])
		}
	})
}

// largest is what ArgMax works on.
type largest struct {
	best []int32
	x    []float32
	v    int
}

func (k *fast) Add(dst, a, b []float32) {
	need("Add a", a, len(dst))
	need("Add b", b, len(dst))
	spans(k, len(dst), span, vectors{dst: dst, a: a, b: b}, func(k *fast, v *vectors, _ *scratch, from, to int) {
		k.add(v.dst[from:to], v.a[from:to], v.b[from:to])
	})
}

// vectors is what an element-wise operation works on.
type vectors struct {
	dst, a, b []float32
	x, y      float32
}

func (k *fast) Scale(x []float32, s float32) {
	spans(k, len(x), span, vectors{dst: x, x: s}, func(k *fast, v *vectors, _ *scratch, from, to int) {
		k.level.scale(v.dst[from:to], v.dst[from:to], v.x)
	})
}

func (k *fast) Zero(x []float32) {
	spans(k, len(x), 8*span, vectors{dst: x}, func(_ *fast, v *vectors, _ *scratch, from, to int) { clear(v.dst[from:to]) })
}

func (k *fast) SumSquares(x []float32) float64 {
	s := k.crew.take()
	defer k.crew.give(s)
	partial := grow(&s.sums, (len(x)+span-1)/span)
	spans(k, len(x), span, squares{x, partial}, func(k *fast, q *squares, _ *scratch, from, to int) {
		q.partial[from/span] = k.sumSquares(q.x[from:to])
	})
	var sum float64
	for _, p := range partial {
		sum += p
	}
	return sum
}

func (k *fast) AdamW(p, m, v, g []float32, h engine.AdamW) {
	adamWShapes(p, m, v, g)
	spans(k, len(p), span, adamWArgs{p, m, v, g, adamWCoefficients(h)}, func(k *fast, a *adamWArgs, _ *scratch, from, to int) {
		k.adamW(a.p[from:to], a.m[from:to], a.v[from:to], a.g[from:to], &a.by)
	})
}

type squares struct {
	x       []float32
	partial []float64
}

type adamWArgs struct {
	p, m, v, g []float32
	by         [9]float32
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
