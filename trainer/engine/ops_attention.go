package engine

import "math"

// AttentionOptions says how queries attend to keys.
type AttentionOptions struct {
	T       int // queries of a sequence
	Heads   Heads
	Causal  bool      // a query sees its own and earlier keys; the last query is at the last key
	Scale   float32   // of q·k; 0 means 1/√Heads.Dim
	Slopes  []float32 // ALiBi, one of every query head; nil: none
	Lengths []int32   // keys of every sequence, read at every Run; nil: all
	Bias    *Tensor   // added to the scores of every sequence, [Heads.Q·T, keys] (RelativeBias); nil: none
}

// Attention adds self-attention over sequences of a.T rows q|k|v.
func (g *Graph) Attention(name string, qkv *Tensor, a AttentionOptions) *Tensor {
	h, c := a.Heads, a.Heads.Q*a.Heads.Dim
	if qkv.Cols != h.Width() || a.T < 1 || qkv.Rows%a.T != 0 {
		g.fail("%s: %d columns in heads %+v, %d rows in sequences of %d", name, qkv.Cols, h, qkv.Rows, a.T)
		return &Tensor{op: &operation{}}
	}
	s := Shape{B: qkv.Rows / a.T, TQ: a.T, TK: a.T, QStride: h.Width(), KVStride: h.Width()}
	return g.attend(name, []*Tensor{qkv}, a, s, func(x [][]float32) (q, k, v []float32) {
		return x[0], x[0][c:], x[0][c+h.KV*h.Dim:]
	})
}

// CrossAttention adds attention of sequences of a.T rows of queries to as many sequences of rows k|v.
func (g *Graph) CrossAttention(name string, q, kv *Tensor, a AttentionOptions) *Tensor {
	h := a.Heads
	if q.Cols != h.Q*h.Dim || kv.Cols != 2*h.KV*h.Dim || a.T < 1 || q.Rows%a.T != 0 || kv.Rows%max(1, q.Rows/a.T) != 0 {
		g.fail("%s: %d and %d columns in heads %+v, %d rows in sequences of %d on %d", name, q.Cols, kv.Cols, h, q.Rows, a.T, kv.Rows)
		return &Tensor{op: &operation{}}
	}
	b := q.Rows / a.T
	s := Shape{B: b, TQ: a.T, TK: kv.Rows / b, QStride: q.Cols, KVStride: kv.Cols}
	return g.attend(name, []*Tensor{q, kv}, a, s, func(x [][]float32) (q, k, v []float32) {
		return x[0], x[1], x[1][h.KV*h.Dim:]
	})
}

// attend adds attention whose queries, keys and values split finds in the inputs, and in their gradients.
func (g *Graph) attend(name string, inputs []*Tensor, a AttentionOptions, s Shape, split func(x [][]float32) (q, k, v []float32)) *Tensor {
	s.Heads, s.YStride = a.Heads, a.Heads.Q*a.Heads.Dim
	s.Causal, s.Scale, s.Slopes = a.Causal, a.Scale, a.Slopes
	if err := s.Check(); err != nil {
		g.fail("%s: %w", name, err)
	}
	if a.Lengths != nil && len(a.Lengths) != s.B {
		g.fail("%s: %d lengths for %d sequences", name, len(a.Lengths), s.B)
	}
	s.Lengths = a.Lengths
	biasAt := len(inputs)
	if a.Bias != nil {
		if a.Bias.Rows != a.Heads.Q*s.TQ || a.Bias.Cols != s.TK {
			g.fail("%s: a bias of %d×%d for %d heads of %d queries on %d keys", name, a.Bias.Rows, a.Bias.Cols, a.Heads.Q, s.TQ, s.TK)
		}
		inputs = append(inputs, a.Bias)
	}
	bias := func(x [][]float32) []float32 {
		if a.Bias == nil {
			return nil
		}
		return x[biasAt]
	}
	op := &operation{
		name: name, rows: s.B * s.TQ, cols: s.YStride, inputs: inputs, keeps: []int{s.B * s.Heads.Q * s.TQ},
		readsInputs: true, readsOutput: true,
	}
	op.run = func() {
		q, k, v := split(op.in)
		g.k.Attention(op.y, op.kept[0], q, k, v, bias(op.in), s)
	}
	op.backward = func(dx [][]float32, dy []float32) {
		q, k, v := split(op.in)
		dq, dk, dv := split(dx)
		g.k.AttentionBackward(dq, dk, dv, bias(dx), dy, op.y, op.kept[0], q, k, v, bias(op.in), s)
	}
	return g.apply(op)
}

// Angles are what Rotate turns by: cosines and sines, [positions, head width/2], in device memory. They are read at every Run.
type Angles struct{ Cos, Sin []float32 }

// Rotate adds rows q|k|v with the query and key heads turned by their position in sequences of length t.
func (g *Graph) Rotate(name string, qkv *Tensor, by Angles, t int, h Heads) *Tensor {
	rows := qkv.Rows
	if qkv.Cols != h.Width() || h.Dim%2 != 0 || t < 1 || rows%t != 0 || len(by.Cos) < t*h.Dim/2 || len(by.Sin) < t*h.Dim/2 {
		g.fail("%s: %d and %d angles for %d rows of %d columns in heads %+v, sequences of %d", name, len(by.Cos), len(by.Sin), rows, qkv.Cols, h, t)
	}
	op := &operation{name: name, rows: rows, cols: qkv.Cols, inputs: []*Tensor{qkv}, overInputs: true, gradOverGrad: true}
	op.run = func() { g.k.Rotate(op.y, op.in[0], by.Cos, by.Sin, rows, t, h, false) }
	op.backward = func(dx [][]float32, dy []float32) { g.k.Rotate(dx[0], dy, by.Cos, by.Sin, rows, t, h, true) }
	return g.apply(op)
}

// RelativeOptions says which pairs of positions share a bias.
type RelativeOptions struct {
	TQ, TK        int // queries and keys; both begin at position 0
	MaxDistance   int // farther keys share the last bucket
	Bidirectional bool
}

// RelativeBias adds the biases that T5 gives to scores by the distance of key and query (Raffel et al. 2020), to be an
// attention's Bias: [heads·TQ, TK] from a table [buckets, heads].
func (g *Graph) RelativeBias(name string, table *Parameter, o RelativeOptions) *Tensor {
	buckets, heads := table.matrix()
	least := 2 // exact distances need half of the buckets, of each direction's
	if o.Bidirectional {
		least = 4
	}
	if o.TQ < 1 || o.TK < 1 || buckets < least || o.MaxDistance <= buckets/least {
		g.fail("%s: a table %v for %d queries on %d keys up to %d apart", name, table.Shape, o.TQ, o.TK, o.MaxDistance)
		return &Tensor{op: &operation{}}
	}
	ids := make([]int32, 0, o.TQ*o.TK)
	for i := range o.TQ {
		for j := range o.TK {
			ids = append(ids, RelativeBucket(j-i, buckets, o.MaxDistance, o.Bidirectional))
		}
	}
	op := &operation{name: name, rows: heads * o.TQ, cols: o.TK, params: []*Parameter{table}}
	op.run = func() { g.k.Relative(op.y, table.Value, ids, heads) }
	op.backward = func(_ [][]float32, dy []float32) {
		if table.Grad != nil {
			g.k.RelativeBackward(table.Grad, dy, ids, heads)
		}
	}
	return g.apply(op)
}

// RelativeBucket is T5's: of a key that is distance positions after its query. Half of the buckets are for single distances, the
// other half for ranges that grow with the logarithm up to farthest. Bidirectional, later keys have buckets of their own;
// otherwise all later keys are at distance 0.
func RelativeBucket(distance, buckets, farthest int, bidirectional bool) int32 {
	first := 0
	away := -distance
	if bidirectional {
		buckets /= 2
		if distance > 0 {
			first, away = buckets, distance
		}
	}
	away = max(away, 0)
	exact := buckets / 2
	if away < exact {
		return int32(first + away)
	}
	// In float32 as PyTorch computes it, for the borders between buckets are where rounding decides.
	ratio := float32(math.Log(float64(float32(away)/float32(exact)))) / float32(math.Log(float64(farthest)/float64(exact)))
	return int32(first + min(buckets-1, exact+int(ratio*float32(buckets-exact))))
}
