package optim

import (
	"math"

	"millrace/trainer/engine"
)

// muon moves a matrix by the orthogonal matrix nearest to its momentum (Jordan et al. 2024), so that every direction moves alike. The step
// is scaled by 0.2·√max(rows, columns), which gives it the size of AdamW's, so that one learning rate and one weight decay serve both
// (Liu et al. 2025, "Muon is scalable for LLM training"). Embeddings, heads, gains and biases are AdamW's.
type muon struct {
	config Config
	k      engine.Kernels
	// Scratch of the largest matrix: the iterate and the next, and two of Gram's size.
	x, y, a, b []float32
}

func newMuon(c Config, k engine.Kernels, params []*engine.Parameter) *muon {
	most, gram := 0, 0
	for _, p := range params {
		if kindOf(p) == linear {
			rows, cols := sides(p)
			most, gram = max(most, rows*cols), max(gram, min(rows, cols)*min(rows, cols))
		}
	}
	return &muon{config: c, k: k, x: k.Alloc(most), y: k.Alloc(most), a: k.Alloc(gram), b: k.Alloc(gram)}
}

// sides are a parameter's rows and columns: the last dimension, and all before it.
func sides(p *engine.Parameter) (rows, cols int) {
	cols = p.Shape[len(p.Shape)-1]
	return len(p.Value) / max(cols, 1), cols
}

func (*muon) slots() []string { return []string{"momentum_buffer"} }

func (o *muon) update(p *engine.Parameter, kept [][]float32, s step) {
	mu := float32(o.config.Momentum)
	m, x := kept[0], o.x[:len(p.Value)]
	o.k.Mix(m, m, p.Grad, mu, (1-mu)*float32(s.scale))
	from := m
	if o.config.Nesterov {
		o.k.Mix(p.Grad, p.Grad, m, (1-mu)*float32(s.scale), mu)
		from = p.Grad
	}
	norm := math.Sqrt(o.k.SumSquares(from))
	if norm == 0 || math.IsNaN(norm) || math.IsInf(norm, 0) {
		o.k.Scale(p.Value, float32(1-s.lr*s.decay))
		return
	}
	// Every singular value is at most 1 when the sum of their squares is; a little less, for rounding (as the paper's code).
	o.k.Mix(x, from, nil, float32(1/(norm*1.02+1e-6)), 0)
	rows, cols := sides(p)
	x = o.orthogonalise(x, rows, cols)
	o.k.Mix(p.Value, p.Value, x, float32(1-s.lr*s.decay), float32(-s.lr*0.2*math.Sqrt(float64(max(rows, cols)))))
}

// polar are the five steps of Polar Express (Amsel et al. 2025) for singular values of 0.001 and more: x ← a·x + b·x³ + c·x⁵.
var polar = [5][3]float32{
	{8.1566, -22.4833, 15.8788}, {4.0429, -2.8089, 0.5000}, {3.8917, -2.7725, 0.5061}, {3.2858, -2.3681, 0.4645}, {2.3465, -1.7098, 0.4232},
}

// orthogonalise brings the singular values of x [rows, cols], which are at most 1, near 1. It returns one of the scratch matrices. The
// products are of the smaller side: with G = x·xᵀ, x ← a·x + (b·G + c·G²)·x, or the same from the right with G = xᵀ·x.
func (o *muon) orthogonalise(x []float32, rows, cols int) []float32 {
	n := min(rows, cols)
	g, poly, y := o.a[:n*n], o.b[:n*n], o.y[:len(x)]
	for _, f := range polar {
		if rows <= cols {
			o.k.Linear(g, x, x, nil, rows, cols, rows, true) // x·xᵀ
		} else {
			o.k.Zero(g)
			o.k.LinearBackward(nil, g, nil, x, x, nil, rows, cols, cols, false) // xᵀ·x
		}
		o.k.Linear(poly, g, g, nil, n, n, n, false)
		o.k.Mix(poly, g, poly, f[1], f[2])
		if rows <= cols {
			o.k.Linear(y, poly, x, nil, rows, rows, cols, false)
		} else {
			o.k.Linear(y, x, poly, nil, rows, cols, cols, false)
		}
		o.k.Mix(x, x, y, f[0], 1)
	}
	return x
}
