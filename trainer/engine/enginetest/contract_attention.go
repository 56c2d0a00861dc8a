package enginetest

import (
	"testing"

	"pgregory.net/rapid"

	"millrace/trainer/engine"
)

func testAttention(t *rapid.T, k engine.Kernels) {
	h := drawHeads(t, size(t, "head size", 40))
	s := engine.Shape{B: rapid.IntRange(1, 3).Draw(t, "b"), TQ: size(t, "queries", 60), Heads: h, Causal: rapid.Bool().Draw(t, "causal")}
	s.TK = s.TQ
	if rapid.Bool().Draw(t, "crossing") {
		s.TK = size(t, "keys", 60)
	}
	if rapid.Bool().Draw(t, "scaled") {
		s.Scale = 0.3
	}
	r := newRig(t, k, seed(t))
	if rapid.Bool().Draw(t, "lengths") {
		for range s.B {
			s.Lengths = append(s.Lengths, int32(r.rng.IntN(s.TK+1)))
		}
	}
	if rapid.Bool().Draw(t, "starts") {
		for range s.B {
			s.Starts = append(s.Starts, int32(r.rng.IntN(s.TK)))
		}
	}
	if rapid.Bool().Draw(t, "slopes") {
		for range h.Q {
			s.Slopes = append(s.Slopes, r.rng.Float32())
		}
	}
	// Side by side in one matrix, as self-attention has them, or q apart from k and v; y has room between its rows or not.
	checkAttention(r, s, s.TK == s.TQ && rapid.Bool().Draw(t, "one matrix"), rapid.IntRange(0, 3).Draw(t, "apart"), rapid.Bool().Draw(t, "bias"))
}

// testAttentionLarge crosses the blocks a fast attention cuts queries and keys into.
func testAttentionLarge(t *testing.T, k engine.Kernels) {
	if testing.Short() {
		t.Skip("long arithmetic; run without -short")
	}
	h := engine.Heads{Q: 2, KV: 1, Dim: 10}
	for i, s := range []engine.Shape{
		{B: 1, TQ: 300, TK: 300, Heads: h, Causal: true},
		{B: 2, TQ: 140, TK: 271, Heads: h, Causal: true, Lengths: []int32{271, 135}},
		{B: 1, TQ: 271, TK: 140, Heads: h, Causal: true}, // the first queries see nothing
		{B: 2, TQ: 260, TK: 131, Heads: h, Lengths: []int32{0, 131}, Slopes: []float32{0.5, 0.01}},
		{B: 1, TQ: 1, TK: 513, Heads: h},
	} {
		checkAttention(newRig(t, k, uint64(i)), s, false, 0, i%2 == 0)
	}
}

func checkAttention(r *rig, s engine.Shape, oneMatrix bool, apart int, biased bool) {
	r.t.Helper()
	h := s.Heads
	qWidth, kvWidth := h.Q*h.Dim, h.KV*h.Dim
	s.QStride, s.KVStride, s.YStride = qWidth+apart, 2*kvWidth+apart, qWidth+apart
	lay := func(whole, pair []float32) (q, k, v []float32) { return whole, pair, pair[kvWidth:] }
	if oneMatrix {
		s.QStride, s.KVStride = h.Width()+apart, h.Width()+apart
		lay = func(whole, _ []float32) (q, k, v []float32) { return whole, whole[qWidth:], whole[qWidth+kvWidth:] }
	}
	whole, pair := r.normal(s.B*s.TQ*s.QStride, 1), r.normal(s.B*s.TK*s.KVStride, 1)
	dy := r.normal(s.B*s.TQ*s.YStride, 1)
	var bias, biasd []float32
	if biased {
		bias = r.normal(h.Q*s.TQ*s.TK, 1)
		biasd = r.in(bias)
	}
	hostQ, hostK, hostV := lay(whole, pair)
	q, k, v := lay(r.in(whole), r.in(pair))
	dyd, y, lse := r.in(dy), r.out(s.B*s.TQ*s.YStride), r.out(s.B*h.Q*s.TQ)
	r.k.Attention(y, lse, q, k, v, biasd, s)
	wantY, wantLse, _ := attention(wide(hostQ), wide(hostK), wide(hostV), wide(bias), s)
	r.nearRows("Attention y", y, wantY, s.B*s.TQ, s.YStride, qWidth, 1)
	r.same("Attention lse", lse, wantLse)

	dwhole, dpair := r.out(len(whole)), r.out(len(pair))
	dq, dk, dv := lay(dwhole, dpair)
	var dbias []float32
	if biased {
		dbias = r.out(len(bias))
	}
	r.k.AttentionBackward(dq, dk, dv, dbias, dyd, y, lse, q, k, v, biasd, s)
	wantQ, wantK, wantV, wantBias := attentionBackward(wide(dy), wide(hostQ), wide(hostK), wide(hostV), wide(bias), s)
	magnitude := root(s.TQ * h.Q / h.KV)
	r.nearRows("AttentionBackward dq", dq, wantQ, s.B*s.TQ, s.QStride, qWidth, 1)
	r.nearRows("AttentionBackward dk", dk, wantK, s.B*s.TK, s.KVStride, kvWidth, magnitude)
	r.nearRows("AttentionBackward dv", dv, wantV, s.B*s.TK, s.KVStride, kvWidth, magnitude)
	if biased {
		r.near("AttentionBackward dbias", dbias, wantBias, tolerance*2, root(s.B))
		again := r.out(len(whole))
		dq, dk, dv := lay(again, r.out(len(pair)))
		r.k.AttentionBackward(dq, dk, dv, nil, dyd, y, lse, q, k, v, biasd, s)
		r.nearRows("AttentionBackward dq without dbias", dq, wantQ, s.B*s.TQ, s.QStride, qWidth, 1)
	}
	r.done("Attention")
}

// nearRows compares rows of width values, stride apart, and sees that what lies between a last row's end and the next one's
// beginning was not written, where those values belong to nobody.
func (r *rig) nearRows(name string, device []float32, want []float64, rows, stride, width int, magnitude float64) {
	r.t.Helper()
	got := r.down(device)
	packed, wanted := make([]float32, 0, rows*width), make([]float64, 0, rows*width)
	for i := range rows {
		packed = append(packed, got[i*stride:][:width]...)
		wanted = append(wanted, want[i*stride:][:width]...)
	}
	r.nearHost(name, packed, wanted, tolerance*2, magnitude)
	if name == "Attention y" {
		for i := range rows {
			for j, v := range got[i*stride+width : min(len(got), (i+1)*stride)] {
				if v != unwritten {
					r.t.Fatalf("%s: row %d was written %d values beyond its heads", name, i, j)
				}
			}
		}
	}
}

// same is near for values some of which are infinite.
func (r *rig) same(name string, device []float32, want []float64) {
	r.t.Helper()
	for i, v := range r.down(device) {
		if diff := float64(v) - want[i]; float64(v) != want[i] && !(diff < tolerance*10 && diff > -tolerance*10) {
			r.t.Fatalf("%s[%d] is %g, the definition says %g", name, i, v, want[i])
		}
	}
}

func testRelative(t *rapid.T, k engine.Kernels) {
	n, heads, rows := size(t, "pairs", 300), size(t, "heads", 9), size(t, "buckets", 33)
	r := newRig(t, k, seed(t))
	table, dbias, buckets := r.normal(rows*heads, 1), r.normal(n*heads, 1), r.ids(n, rows, false)
	bias := r.out(n * heads)
	k.Relative(bias, r.in(table), buckets, heads)
	r.near("Relative bias", bias, relative(wide(table), buckets, heads), 0, 1)
	had := r.normal(rows*heads, 1)
	dtable := r.inout(had)
	k.RelativeBackward(dtable, r.in(dbias), buckets, heads)
	r.near("RelativeBackward dtable", dtable, plus(had, relativeBackward(wide(dbias), buckets, rows, heads)), tolerance, root(n))
	r.done("Relative")
}
