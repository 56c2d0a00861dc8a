package enginetest

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"millrace/trainer/engine"
)

// RunReader checks what engine.Reader promises, against definitions in float64, and that a row depends on nothing but itself.
func RunReader(t *testing.T, open func() engine.Reader) {
	k := open()
	check := func(name string, property func(t *rapid.T)) {
		t.Run(name, func(t *testing.T) { rapid.Check(t, property) })
	}
	check("Multiply", func(t *rapid.T) { testMultiply(t, k) })
	t.Run("MultiplyLarge", func(t *testing.T) {
		for i, form := range engine.Forms() {
			checkMultiply(t, k, uint64(i), 5, 768, 1031, i == 0, form)
		}
	})
	t.Run("FormNeedsBlocks", func(t *testing.T) {
		for _, form := range engine.Forms() {
			if got := k.Pack(k.Alloc(33*3), 33, 3, false, form).Form(); got != engine.FormF32 {
				t.Fatalf("rows of 33 are %s, want f32: they are no blocks of 32", got)
			}
		}
	})
	t.Run("ExactFormReadsWhereItLies", func(t *testing.T) {
		w, y := k.Alloc(4), k.Alloc(2)
		packed := k.Pack(w, 2, 2, false, engine.FormF32)
		k.Upload(w, []float32{1, 2, 3, 4})
		x := k.Alloc(2)
		k.Upload(x, []float32{1, 10})
		k.Multiply(y, x, packed, nil, 1)
		got := make([]float32, 2)
		if k.Download(got, y); got[0] != 31 || got[1] != 42 || packed.Bytes() != 0 {
			t.Fatalf("%v and %d bytes, want 31, 42 and none", got, packed.Bytes())
		}
	})
	check("Attend", func(t *rapid.T) { testAttend(t, k) })
	t.Run("AttendLong", func(t *testing.T) { checkAttend(t, k, 1, []int{1000, 1, 515}, 6, 3, 64, true) })
}

func testMultiply(t *rapid.T, k engine.Reader) {
	form := rapid.SampledFrom(engine.Forms()).Draw(t, "form")
	kk := size(t, "k", 70)
	if form != engine.FormF32 {
		kk = 32 * rapid.IntRange(1, 4).Draw(t, "blocks")
	}
	checkMultiply(t, k, seed(t), rapid.IntRange(1, 9).Draw(t, "m"), kk, size(t, "n", 150), rapid.Bool().Draw(t, "transposed"), form)
}

// kept is a row of weights as a form keeps it.
func kept(row []float64, form engine.Form) []float64 {
	out := make([]float64, len(row))
	for from := 0; from < len(row); from += 32 {
		block := row[from:min(len(row), from+32)]
		largest := 0.0
		for _, v := range block {
			largest = max(largest, math.Abs(v))
		}
		for i, v := range block {
			switch form {
			case engine.FormBF16: // eight bits of mantissa, the first of them not written
				_, exponent := math.Frexp(v)
				unit := math.Ldexp(1, exponent-8)
				out[from+i] = math.RoundToEven(v/unit) * unit
			case engine.FormQ8: // the scale has eleven
				d := float64(float32(largest) / 127)
				_, exponent := math.Frexp(d)
				unit := math.Ldexp(1, max(exponent-11, -24))
				if d > 0 {
					out[from+i] = math.Round(float64(float32(v)*(1/float32(d)))) * math.RoundToEven(d/unit) * unit
				}
			default:
				out[from+i] = v
			}
		}
	}
	return out
}

func checkMultiply(t TB, k engine.Reader, seed uint64, m, kk, n int, transposed bool, form engine.Form) {
	r := newRig(t, k, seed)
	x, w, b := r.normal(m*kk, 1), r.normal(kk*n, 1), r.normal(n, 1)
	rows := make([][]float64, n)
	for j := range rows {
		row := make([]float64, kk)
		for i := range row {
			if row[i] = float64(w[i*n+j]); transposed {
				row[i] = float64(w[j*kk+i])
			}
		}
		rows[j] = kept(row, form)
	}
	want := make([]float64, m*n)
	for i := range m {
		for j, row := range rows {
			sum := float64(b[j])
			for c, v := range row {
				sum += float64(x[i*kk+c]) * v
			}
			want[i*n+j] = sum
		}
	}
	packed := k.Pack(r.in(w), kk, n, transposed, form)
	xs, bias, y := r.in(x), r.in(b), r.out(m*n)
	k.Multiply(y, xs, packed, bias, m)
	r.near("Multiply y", y, want, tolerance, root(kk))
	all := r.down(y)
	for i := range m {
		alone := r.out(n)
		k.Multiply(alone, xs[i*kk:(i+1)*kk], packed, bias, 1)
		for j, v := range r.down(alone) {
			if math.Float32bits(v) != math.Float32bits(all[i*n+j]) {
				t.Fatalf("Multiply y[%d,%d] is %g among %d rows and %g alone", i, j, all[i*n+j], m, v)
			}
		}
	}
	bare := r.out(m * n)
	k.Multiply(bare, xs, packed, nil, m)
	for i := range want {
		want[i] -= float64(b[i%n])
	}
	r.near("Multiply without b", bare, want, tolerance, root(kk))
	r.done("Multiply")
}

func testAttend(t *rapid.T, k engine.Reader) {
	kv := rapid.IntRange(1, 3).Draw(t, "kv")
	lengths := rapid.SliceOfN(rapid.IntRange(1, 70), 1, 4).Draw(t, "lengths")
	checkAttend(t, k, seed(t), lengths, kv*rapid.IntRange(1, 5).Draw(t, "group"), kv, size(t, "dim", 40), rapid.Bool().Draw(t, "alibi"))
}

// offset is that of a row: some of them have one.
func offset(row int) int { return row * 5 % 3 }

func checkAttend(t TB, k engine.Reader, seed uint64, lengths []int, query, kv, dim int, alibi bool) {
	r := newRig(t, k, seed)
	l := engine.Looking{Query: query, KV: kv, Dim: dim, QStride: query*dim + 3, YStride: query*dim + 2}
	if alibi {
		for i, n := range lengths {
			l.Reach = max(l.Reach, n+offset(i))
		}
		for h := range query {
			for d := range l.Reach {
				l.Bias = append(l.Bias, -float32(math.Ldexp(float64(d), -h-1)))
			}
		}
	}
	rows := len(lengths)
	q := r.normal((rows-1)*l.QStride+query*dim, 1)
	y := r.out((rows-1)*l.YStride + query*dim)
	want := wide(r.down(y))
	var looks []engine.Look
	for i, n := range lengths {
		capacity := (n + 31) / 16 * 16
		p := engine.Past{Keys: k.Alloc(kv * dim * capacity), Values: k.Alloc(kv * dim * capacity), Capacity: capacity}
		keys, values := r.normal(n*kv*dim, 1), r.normal(n*kv*dim, 1)
		for at := range n {
			k.Remember(p, at, r.in(keys[at*kv*dim:(at+1)*kv*dim]), r.in(values[at*kv*dim:(at+1)*kv*dim]), kv, dim)
		}
		larger := engine.Past{Keys: k.Alloc(kv * dim * (capacity + 16)), Values: k.Alloc(kv * dim * (capacity + 16)), Capacity: capacity + 16}
		k.Copy(larger, p, n, kv, dim)
		looks = append(looks, engine.Look{Past: larger, Length: n, Offset: offset(i)})
		for h := range query {
			of := h / (query / kv) * dim
			weights, total := make([]float64, n), 0.0
			for at := range weights {
				score := 0.0
				for d := range dim {
					score += float64(q[i*l.QStride+h*dim+d]) * float64(keys[at*kv*dim+of+d])
				}
				score /= math.Sqrt(float64(dim))
				if alibi {
					score -= math.Ldexp(float64(n-1-at+offset(i)), -h-1)
				}
				weights[at] = math.Exp(score)
				total += weights[at]
			}
			for d := range dim {
				sum := 0.0
				for at, w := range weights {
					sum += w / total * float64(values[at*kv*dim+of+d])
				}
				want[i*l.YStride+h*dim+d] = sum
			}
		}
	}
	qs := r.in(q)
	k.Attend(y, qs, looks, l)
	r.nearEach("Attend y", y, want, 0, 2e-5)
	all := r.down(y)
	for i := range lengths {
		alone := r.out(query * dim)
		one := l
		one.QStride, one.YStride = query*dim, query*dim
		k.Attend(alone, qs[i*l.QStride:][:query*dim], looks[i:i+1], one)
		for j, v := range r.down(alone) {
			if math.Float32bits(v) != math.Float32bits(all[i*l.YStride+j]) {
				t.Fatalf("Attend y[%d,%d] is %g among %d rows and %g alone", i, j, all[i*l.YStride+j], rows, v)
			}
		}
	}
	r.done("Attend")
}

// SameReadingForAnyThreads checks that what a reader computes does not depend on the number of threads.
func SameReadingForAnyThreads(t *testing.T, open func(threads int) engine.Reader) {
	results := func(k engine.Reader) (out []float32) {
		r := newRig(t, k, 7)
		for _, form := range engine.Forms() {
			m, kk, n := 6, 416, 1003
			y := r.out(m * n)
			k.Multiply(y, r.in(r.normal(m*kk, 1)), k.Pack(r.in(r.normal(kk*n, 1)), kk, n, form == engine.FormF32, form), r.in(r.normal(n, 1)), m)
			out = append(out, r.down(y)...)
		}
		const heads, dim, length = 4, 48, 300
		p := engine.Past{Keys: k.Alloc(heads * dim * 304), Values: k.Alloc(heads * dim * 304), Capacity: 304}
		k.Upload(p.Keys, r.normal(len(p.Keys), 1))
		k.Upload(p.Values, r.normal(len(p.Values), 1))
		looks := []engine.Look{{Past: p, Length: length}, {Past: p, Length: length - 1}}
		y := r.out(2 * 2 * heads * dim)
		k.Attend(y, r.in(r.normal(len(y), 1)), looks, engine.Looking{Query: 2 * heads, KV: heads, Dim: dim, QStride: len(y) / 2, YStride: len(y) / 2})
		return append(out, r.down(y)...)
	}
	want := results(open(1))
	for _, threads := range []int{2, 3} {
		for i, v := range results(open(threads)) {
			if math.Float32bits(v) != math.Float32bits(want[i]) {
				t.Fatalf("value %d is %g with %d threads and %g with one", i, v, threads, want[i])
			}
		}
	}
}
