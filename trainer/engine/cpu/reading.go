package cpu

import (
	"fmt"
	"math"

	"millrace/trainer/engine"
)

// weights is a matrix for Multiply: one of the three has it.
type weights struct {
	n, k       int
	form       engine.Form
	f32        []float32
	transposed bool // f32 is [n,k], else [k,n]
	bf16       []uint16
	q8         []int8
}

func (w *weights) Form() engine.Form { return w.form }
func (w *weights) Bytes() int64      { return 2*int64(len(w.bf16)) + int64(len(w.q8)) }

// pack is Pack of every kernels of this package.
func pack(w []float32, k, n int, transposed bool, form engine.Form) *weights {
	needPositive("Pack", k, n)
	need("Pack w", w, k*n)
	p := &weights{n: n, k: k, form: form}
	switch {
	case form == engine.FormBF16 && k%q8Block == 0:
		p.bf16 = packBF16(w, k, n, transposed)
	case form == engine.FormQ8 && k%q8Block == 0:
		p.q8 = packQ8(w, k, n, transposed)
	default:
		p.form, p.f32, p.transposed = engine.FormF32, w, transposed
	}
	return p
}

func multiplyShapes(y, x []float32, w engine.Weights, b []float32, m int) *weights {
	p, ok := w.(*weights)
	if !ok {
		panic(fmt.Sprintf("cpu: Multiply was given weights of another device (%T)", w))
	}
	needPositive("Multiply", m)
	need("Multiply y", y, m*p.n)
	need("Multiply x", x, m*p.k)
	needOrNil("Multiply b", b, p.n)
	return p
}

func attendShapes(y, q []float32, looks []engine.Look, l engine.Looking) {
	needPositive("Attend", len(looks), l.Query, l.KV, l.Dim)
	if l.Query%l.KV != 0 {
		panic(fmt.Sprintf("cpu: Attend cannot share %d key heads among %d query heads", l.KV, l.Query))
	}
	last, width := len(looks)-1, l.Query*l.Dim
	if l.QStride < width || l.YStride < width || len(q) < last*l.QStride+width || len(y) < last*l.YStride+width {
		panic(fmt.Sprintf("cpu: Attend has %d queries and %d results; %d rows of %d need more", len(q), len(y), len(looks), width))
	}
	if l.Bias != nil {
		need("Attend bias", l.Bias, l.Query*l.Reach)
	}
	for i, o := range looks {
		pastShape("Attend", o.Past, l.KV, l.Dim)
		if o.Length < 1 || o.Length > o.Past.Capacity || l.Bias != nil && (o.Offset < 0 || o.Length > l.Reach-o.Offset) {
			panic(fmt.Sprintf("cpu: Attend looks[%d] sees %d tokens of %d", i, o.Length, o.Past.Capacity))
		}
	}
}

func pastShape(what string, p engine.Past, heads, dim int) {
	if p.Capacity < 16 || p.Capacity%16 != 0 || len(p.Keys) != heads*dim*p.Capacity || len(p.Values) != len(p.Keys) {
		panic(fmt.Sprintf("cpu: %s has a past of %d keys and %d values for %d tokens of %d heads of %d", what, len(p.Keys), len(p.Values), p.Capacity, heads, dim))
	}
}

// remember is Remember of every kernels of this package.
func remember(p engine.Past, at int, k, v []float32, heads, dim int) {
	pastShape("Remember", p, heads, dim)
	need("Remember k", k, heads*dim)
	need("Remember v", v, heads*dim)
	if at < 0 || at >= p.Capacity {
		panic(fmt.Sprintf("cpu: Remember has room for %d tokens, not for number %d", p.Capacity, at))
	}
	for i, x := range k { // i counts heads and their dimensions
		p.Keys[i*p.Capacity+at] = x
	}
	for h := range heads {
		copy(p.Values[(h*p.Capacity+at)*dim:][:dim], v[h*dim:])
	}
}

// copyPast is Copy of every kernels of this package.
func copyPast(dst, src engine.Past, n, heads, dim int) {
	pastShape("Copy", dst, heads, dim)
	pastShape("Copy", src, heads, dim)
	if n < 0 || n > dst.Capacity || n > src.Capacity {
		panic(fmt.Sprintf("cpu: Copy of %d tokens from a past of %d into one of %d", n, src.Capacity, dst.Capacity))
	}
	for i := range heads * dim {
		copy(dst.Keys[i*dst.Capacity:][:n], src.Keys[i*src.Capacity:])
	}
	for h := range heads {
		copy(dst.Values[h*dst.Capacity*dim:][:n*dim], src.Values[h*src.Capacity*dim:])
	}
}

// scaleOf is the factor of scores.
func scaleOf(l engine.Looking) float32 {
	if l.Scale != 0 {
		return l.Scale
	}
	return float32(1 / math.Sqrt(float64(l.Dim)))
}

func (reference) Pack(w []float32, k, n int, transposed bool, form engine.Form) engine.Weights {
	return pack(w, k, n, transposed, form)
}

// Multiply sums in float64, k in order.
func (reference) Multiply(y, x []float32, w engine.Weights, b []float32, m int) {
	p := multiplyShapes(y, x, w, b, m)
	value := func(j, i int) float64 {
		switch {
		case p.q8 != nil:
			at := q8At(j, i, p.k)
			return float64(p.q8[at+16+j%groupRows*q8Block+i%q8Block]) * float64(scaleAt(p.q8[at+j%groupRows*4:]))
		case p.bf16 != nil:
			return float64(math.Float32frombits(uint32(p.bf16[bf16At(j, i, p.k)]) << 16))
		case p.transposed:
			return float64(p.f32[j*p.k+i])
		}
		return float64(p.f32[i*p.n+j])
	}
	for r := range m {
		for j := range p.n {
			var sum float64
			for i := range p.k {
				sum += float64(x[r*p.k+i]) * value(j, i)
			}
			if b != nil {
				sum += float64(b[j])
			}
			y[r*p.n+j] = float32(sum)
		}
	}
}

func (reference) Remember(p engine.Past, at int, k, v []float32, heads, dim int) {
	remember(p, at, k, v, heads, dim)
}

func (reference) Copy(dst, src engine.Past, n, heads, dim int) { copyPast(dst, src, n, heads, dim) }

func (reference) Attend(y, q []float32, looks []engine.Look, l engine.Looking) {
	attendShapes(y, q, looks, l)
	for r, look := range looks {
		p := look.Past
		scores := make([]float64, look.Length)
		for h := range l.Query {
			kv := h / (l.Query / l.KV)
			query, out := q[r*l.QStride+h*l.Dim:][:l.Dim], y[r*l.YStride+h*l.Dim:][:l.Dim]
			best := math.Inf(-1)
			for t := range scores {
				var dot float64
				for i, v := range query {
					dot += float64(v) * float64(p.Keys[(kv*l.Dim+i)*p.Capacity+t])
				}
				scores[t] = dot * float64(scaleOf(l))
				if l.Bias != nil {
					scores[t] += float64(l.Bias[h*l.Reach+look.Offset+look.Length-1-t])
				}
				best = math.Max(best, scores[t])
			}
			var total float64
			for t, s := range scores {
				scores[t] = math.Exp(s - best)
				total += scores[t]
			}
			for i := range out {
				var sum float64
				for t, s := range scores {
					sum += s / total * float64(p.Values[(kv*p.Capacity+t)*l.Dim+i])
				}
				out[i] = float32(sum)
			}
		}
	}
}

func (k *fast) Pack(w []float32, kk, n int, transposed bool, form engine.Form) engine.Weights {
	return pack(w, kk, n, transposed, form)
}

// readTask is how many weights a task of Multiply reads at least: enough to be worth another thread.
const readTask = 1 << 15

func (k *fast) Multiply(y, x []float32, w engine.Weights, b []float32, m int) {
	p := multiplyShapes(y, x, w, b, m)
	// A task has a multiple of 64 columns; with many rows its weights stay in the second-level cache from row to row.
	columns := max(64, min((p.n/(8*k.crew.threads)+63)/64*64, (1<<18/p.k)/64*64), (readTask/p.k+63)/64*64)
	if m == 1 && p.f32 != nil && !p.transposed { // wide ones, which are read along the rows
		columns = max(columns, (p.n/k.crew.threads+63)/64*64)
	}
	spans(k, p.n, columns, reads{vecmatsOf(k.level.name), p, y, x, b, m}, func(k *fast, a *reads, s *scratch, from, to int) {
		n := a.p.n
		for row := 0; row < a.m; row += a.v.rows {
			rows := min(a.v.rows, a.m-row)
			k.multiply(&a.v, s, a.y[row*n+from:], a.x[row*a.p.k:], a.p, rows, from, to)
		}
		if a.b != nil {
			for row := range a.m {
				out := a.y[row*n+from : row*n+to]
				k.add(out, out, a.b[from:to])
			}
		}
	})
}

// reads is what Multiply works on.
type reads struct {
	v       vecmats
	p       *weights
	y, x, b []float32
	m       int
}

// multiply computes columns from..to of a few rows; from is a multiple of four.
func (k *fast) multiply(v *vecmats, s *scratch, y, x []float32, p *weights, rows, from, to int) {
	cols := to - from
	if p.f32 != nil && !p.transposed {
		if whole := cols / 16 * 16; rows == 1 && whole > 0 {
			clear(y[:whole])
			v.stream(y, x, p.f32[from:], p.n, whole, p.k)
			if cols -= whole; cols == 0 {
				return
			}
			y, from = y[whole:], from+whole
		}
		v.vecmat(y, p.n, x, p.k, p.f32[from:], p.n, rows, cols, p.k)
		return
	}
	whole := cols / groupRows * groupRows
	group := func(y []float32, yRow, j, cols int) {
		switch {
		case p.q8 != nil:
			v.dotQ8(y, yRow, x, p.k, p.q8[q8At(j, 0, p.k):], 0, rows, cols, p.k)
		case p.bf16 != nil:
			v.dotBF16(y, yRow, x, p.k, p.bf16[bf16At(j, 0, p.k):], 0, rows, cols, p.k)
		default:
			v.dot(y, yRow, x, p.k, p.f32[j*p.k:], p.k, rows, cols, p.k)
		}
	}
	if whole > 0 {
		group(y, p.n, from, whole)
	}
	if whole == cols {
		return
	}
	// The last rows of w are fewer than a group: what is packed has been filled up, what is not is brought into a group.
	last := grow(&s.rows, groupRows*(rows+p.k))
	out := last[:groupRows*rows]
	if p.f32 != nil {
		tail := last[groupRows*rows:]
		clear(tail[copy(tail, p.f32[(from+whole)*p.k:to*p.k]):])
		v.dot(out, groupRows, x, p.k, tail, p.k, rows, groupRows, p.k)
	} else {
		group(out, groupRows, from+whole, groupRows)
	}
	for r := range rows {
		copy(y[r*p.n+whole:r*p.n+cols], out[r*groupRows:])
	}
}

func (*fast) Remember(p engine.Past, at int, k, v []float32, heads, dim int) {
	remember(p, at, k, v, heads, dim)
}

func (*fast) Copy(dst, src engine.Past, n, heads, dim int) { copyPast(dst, src, n, heads, dim) }

// Attend takes row by row and, of a row, one group of query heads that share a key head in a task.
func (k *fast) Attend(y, q []float32, looks []engine.Look, l engine.Looking) {
	attendShapes(y, q, looks, l)
	tasks, total := len(looks)*l.KV, 0
	for _, o := range looks {
		total += o.Length
	}
	args := looked{vecmatsOf(k.level.name), y, q, looks, l}
	if total*l.Query*l.Dim < smallProduct { // not worth another thread
		spans(k, tasks, tasks, args, func(k *fast, a *looked, s *scratch, from, to int) {
			for task := from; task < to; task++ {
				k.attend(a, s, task)
			}
		})
		return
	}
	each(k, tasks, args, (*fast).attend)
}

// looked is what Attend works on.
type looked struct {
	v     vecmats
	y, q  []float32
	looks []engine.Look
	l     engine.Looking
}

// attend is one row and the query heads that share one key head.
func (k *fast) attend(a *looked, s *scratch, task int) {
	v, y, q, l := &a.v, a.y, a.q, &a.l
	scale, group := scaleOf(*l), l.Query/l.KV
	row, kv := task/l.KV, task%l.KV
	look := a.looks[row]
	p := look.Past
	n := (look.Length + 15) / 16 * 16 // what is read beyond is there, and cut off
	keys, values := p.Keys[kv*l.Dim*p.Capacity:], p.Values[kv*l.Dim*p.Capacity:]
	for first := 0; first < group; first += v.rows {
		rows := min(v.rows, group-first)
		h := kv*group + first
		scores := grow(&s.scores, n*v.rows)
		v.vecmat(scores, n, q[row*l.QStride+h*l.Dim:], l.Dim, keys, p.Capacity, rows, n, l.Dim)
		for r := range rows {
			seen := scores[r*n:][:look.Length]
			factor := scale
			if l.Bias != nil {
				bias := l.Bias[(h+r)*l.Reach+look.Offset:][:look.Length]
				for t := range seen {
					seen[t] = seen[t]*scale + bias[len(seen)-1-t]
				}
				factor = 1
			}
			k.softmax(seen, seen, factor)
		}
		v.vecmat(y[row*l.YStride+h*l.Dim:], l.Dim, scores, n, values, l.Dim, rows, l.Dim, look.Length)
	}
}
