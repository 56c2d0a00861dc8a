package cpu

import (
	"math"

	"millrace/trainer/engine"
)

// queryBlock is how many queries' scores and their gradients are held at once, so that memory grows with the number of keys
// and not with its square.
const queryBlock = 128

// attends is what Attention and its backward pass work on.
type attends struct {
	y, lse, q, key, v, bias []float32
	dq, dk, dv, dbias, dy   []float32
	s                       engine.Shape
}

// attended is one query head of one sequence: its parts of q, k, v and y (or of their gradients), from the head's first value
// on, and the keys its queries see, which are always the first so many.
type attended struct {
	s           *engine.Shape
	batch, head int
	scale       float32
	bias, lse   []float32 // [TQ,TK] or nil, [TQ]; lse is nil where it is known
}

func newAttended(s *engine.Shape, batch, head int, bias, lse []float32) attended {
	a := attended{s: s, batch: batch, head: head, scale: float32(attentionScale(*s))}
	if lse != nil {
		a.lse = lse[(batch*s.Heads.Q+head)*s.TQ:][:s.TQ]
	}
	if bias != nil {
		a.bias = bias[head*s.TQ*s.TK:][:s.TQ*s.TK]
	}
	return a
}

func (a *attended) queries(q []float32) []float32 {
	return q[a.batch*a.s.TQ*a.s.QStride+a.head*a.s.Heads.Dim:]
}

func (a *attended) keys(k []float32) []float32 {
	h := a.s.Heads
	return k[a.batch*a.s.TK*a.s.KVStride+a.head/(h.Q/h.KV)*h.Dim:]
}

func (a *attended) out(y []float32) []float32 {
	return y[a.batch*a.s.TQ*a.s.YStride+a.head*a.s.Heads.Dim:]
}

func (a *attended) seen(i int) int { return a.s.Seen(a.batch, i) }

// scoreRow is how far rows of scores are apart: one cache line more than they need, lest rows of a power of two of keys fall
// into the same few sets of the cache.
func scoreRow(tk int) int { return (tk+15)/16*16 + 16 }

// adjust adds what is not a product to scaled scores of query i; without bias and slopes there is nothing to do, and the
// scores are left unscaled for softmax to scale.
func (a *attended) adjust(row []float32, i int) (rate float32) {
	if a.bias == nil && a.s.Slopes == nil {
		return a.scale
	}
	slope, position := float32(0), a.s.Position(a.batch, i)
	if a.s.Slopes != nil {
		slope = a.s.Slopes[a.head]
	}
	for j := range row {
		row[j] = row[j]*a.scale - slope*float32(max(position-j, j-position))
	}
	if a.bias != nil {
		addGo(row, row, a.bias[i*a.s.TK:][:len(row)])
	}
	return 1
}

// Attention gives every query head of a sequence to one thread. A tile of queries never looks at keys beyond those its last
// row sees.
func (k *fast) Attention(y, lse, q, key, v, bias []float32, s engine.Shape) {
	attentionShapes(y, lse, q, key, v, bias, s)
	each(k, s.B*s.Heads.Q, attends{y: y, lse: lse, q: q, key: key, v: v, bias: bias, s: s}, func(k *fast, x *attends, sc *scratch, index int) {
		s := &x.s
		dim, tk := s.Heads.Dim, s.TK
		a := newAttended(s, index/s.Heads.Q, index%s.Heads.Q, x.bias, x.lse)
		room := grow(&sc.panels, k.room(tk, dim)+k.room(dim, tk))
		keys := k.columnPanels(room, a.keys(x.key), s.KVStride, tk, dim)
		values := k.rowPanels(room[k.room(tk, dim):], a.keys(x.v), s.KVStride, tk, dim)
		row := scoreRow(tk)
		probs := grow(&sc.scores, k.tileRows*row)
		count := k.tiles(s.TQ)
		for t := range count {
			from, to := s.TQ*t/count, s.TQ*(t+1)/count
			most := k.probabilities(probs, &a, x.q, keys, from, to)
			out := a.out(x.y)[from*s.YStride:]
			if most == 0 {
				for i := range to - from {
					clear(out[i*s.YStride:][:dim])
				}
				continue
			}
			k.times(out, s.YStride, probs, row, 1, values, tk, to-from, dim, 0, most, false)
		}
	})
}

// probabilities sets the rows of probs, scoreRow apart, to what queries from..to make of the packed keys, and lse, unless it is
// nil, to the logarithms of their sums. It returns how many keys the one that sees most sees; rows that see fewer end in zeros.
func (k *fast) probabilities(probs []float32, a *attended, q, keys []float32, from, to int) int {
	most := a.seen(to - 1)
	stride, dim := scoreRow(a.s.TK), a.s.Heads.Dim
	if most > 0 {
		k.times(probs, stride, a.queries(q)[from*a.s.QStride:], a.s.QStride, 1, keys, dim, to-from, most, 0, dim, false)
	}
	for i := from; i < to; i++ {
		row, seen := probs[(i-from)*stride:][:most], a.seen(i)
		clear(row[seen:])
		best, sum, rate := float32(math.Inf(-1)), float32(1), float32(1)
		if seen > 0 {
			rate = a.adjust(row[:seen], i)
			best, sum = k.softmax(row[:seen], row[:seen], rate)
		}
		if a.lse != nil {
			a.lse[i] = float32(math.Log(float64(sum)) + float64(best)*float64(rate))
		}
	}
	return most
}

// AttentionBackward gives every key head of a sequence to one thread, with all the queries that share it; where the bias has a
// gradient, which all sequences share, every key head of all of them. It goes through the queries in blocks: their
// probabilities again, the gradients of their scores, then what they add to dq, dk, dv.
func (k *fast) AttentionBackward(dq, dk, dv, dbias, dy, y, lse, q, key, v, bias []float32, s engine.Shape) {
	attentionBackwardShapes(dq, dk, dv, dbias, dy, y, lse, q, key, v, bias, s)
	clear(dbias)
	x := attends{q: q, key: key, v: v, bias: bias, dq: dq, dk: dk, dv: dv, dbias: dbias, dy: dy, s: s}
	if dbias != nil {
		each(k, s.Heads.KV, x, func(k *fast, x *attends, sc *scratch, kv int) {
			for batch := range x.s.B {
				k.attentionBackward(sc, batch, kv, x)
			}
		})
		return
	}
	each(k, s.B*s.Heads.KV, x, func(k *fast, x *attends, sc *scratch, index int) {
		k.attentionBackward(sc, index/x.s.Heads.KV, index%x.s.Heads.KV, x)
	})
}

func (k *fast) attentionBackward(sc *scratch, batch, kv int, x *attends) {
	dq, dk, dv, dbias, dy, q, key, v, bias, s := x.dq, x.dk, x.dv, x.dbias, x.dy, x.q, x.key, x.v, x.bias, &x.s
	dim, tq, tk, group := s.Heads.Dim, s.TQ, s.TK, s.Heads.Q/s.Heads.KV
	a := newAttended(s, batch, kv*group, bias, nil)
	keyGrad, valueGrad := a.keys(dk), a.keys(dv)
	for j := range tk {
		clear(keyGrad[j*s.KVStride:][:dim])
		clear(valueGrad[j*s.KVStride:][:dim])
	}
	wide, tall, high := k.room(tk, dim), k.room(dim, tk), k.room(dim, tq)
	room := grow(&sc.panels, 2*wide+tall+2*high)
	keys := k.columnPanels(room, a.keys(key), s.KVStride, tk, dim)
	values := k.columnPanels(room[wide:], a.keys(v), s.KVStride, tk, dim)
	keyRows := k.rowPanels(room[2*wide:], a.keys(key), s.KVStride, tk, dim)
	row := scoreRow(tk)
	block := min(tq, queryBlock) * row
	scores := grow(&sc.scores, 2*block)
	probs, ds := scores[:block], scores[block:] // of a block's queries
	for head := kv * group; head < (kv+1)*group; head++ {
		a := newAttended(s, batch, head, bias, nil)
		queries := k.rowPanels(room[2*wide+tall:], a.queries(q), s.QStride, tq, dim)
		grads := k.rowPanels(room[2*wide+tall+high:], a.out(dy), s.YStride, tq, dim)
		for first := 0; first < tq; first += queryBlock {
			last := min(tq, first+queryBlock)
			count := k.tiles(last - first)
			for t := range count {
				from, to := first+(last-first)*t/count, first+(last-first)*(t+1)/count
				p, d := probs[(from-first)*row:], ds[(from-first)*row:]
				k.scoreGradients(p, d, &a, dbias, dy, q, keys, values, from, to)
				out := a.queries(dq)[from*s.QStride:]
				if most := a.seen(to - 1); most > 0 {
					k.times(out, s.QStride, d, row, 1, keyRows, tk, to-from, dim, 0, most, false)
				} else {
					for i := range to - from {
						clear(out[i*s.QStride:][:dim])
					}
				}
			}
			most := a.seen(last - 1)
			count = k.tiles(most)
			for t := range count {
				from, to := most*t/count, most*(t+1)/count
				since := first // queries before the first that sees the first of these keys see none of them
				for a.seen(since) <= from {
					since++
				}
				rows, at := last-since, (since-first)*row+from
				k.times(keyGrad[from*s.KVStride:], s.KVStride, ds[at:], 1, row, queries, tq, to-from, dim, since, rows, true)
				k.times(valueGrad[from*s.KVStride:], s.KVStride, probs[at:], 1, row, grads, tq, to-from, dim, since, rows, true)
			}
		}
	}
}

// scoreGradients sets rows of p to the probabilities of queries from..to, and of d to the gradients of the products q·k. Both
// are zero from the last key seen up to the block's end, that products may run over them.
func (k *fast) scoreGradients(p, d []float32, a *attended, dbias, dy, q, keys, values []float32, from, to int) {
	tk, dim, s, stride := a.s.TK, a.s.Heads.Dim, a.s, scoreRow(a.s.TK)
	end := a.seen(min(s.TQ, from/queryBlock*queryBlock+queryBlock) - 1)
	most := a.seen(to - 1)
	if most > 0 {
		k.probabilities(p, a, q, keys, from, to)
		k.times(d, stride, a.out(dy)[from*s.YStride:], s.YStride, 1, values, dim, to-from, most, 0, dim, false)
	}
	for i := from; i < to; i++ {
		row, prob, seen := d[(i-from)*stride:][:tk], p[(i-from)*stride:][:tk], a.seen(i)
		clear(prob[seen:end])
		clear(row[seen:end])
		if dbias == nil {
			k.softmaxBackward(row[:seen], prob[:seen], a.scale)
			continue
		}
		k.softmaxBackward(row[:seen], prob[:seen], 1)
		sum := dbias[(a.head*s.TQ+i)*tk:][:seen]
		k.add(sum, sum, row[:seen])
		k.level.scale(row[:seen], row[:seen], a.scale)
	}
}

// tiles is into how many tiles of even height so many rows are cut.
func (k *fast) tiles(rows int) int { return (rows + k.tileRows - 1) / k.tileRows }

// room is the size of packed B[deep,n] with n columns.
func (k *fast) room(n, deep int) int { return (n + k.panel - 1) / k.panel * k.panel * deep }

// rowPanels packs deep rows of n columns, ld apart.
func (k *fast) rowPanels(dst, src []float32, ld, deep, n int) []float32 {
	return k.packAll(dst, &product{b: src, bRow: ld, bCol: 1, n: n, k: deep})
}

// columnPanels packs the transpose of n rows of deep values, ld apart.
func (k *fast) columnPanels(dst, src []float32, ld, n, deep int) []float32 {
	return k.packAll(dst, &product{b: src, bRow: 1, bCol: ld, n: n, k: deep})
}

func (k *fast) packAll(dst []float32, p *product) []float32 {
	k.pack(dst, p.k*k.panel, p, 0, p.k, 0, p.n)
	return dst
}

// times multiplies one tile of A by rows first..first+length of B, packed deep rows deep, as far as n columns.
func (k *fast) times(c []float32, cRow int, a []float32, aRow, aCol int, b []float32, deep, rows, n, first, length int, add bool) {
	for column := 0; column < n; column += k.panel {
		k.tile(c[column:], cRow, a, aRow, aCol, b[column*deep+first*k.panel:], k.panel, nil, rows, min(k.panel, n-column), length, add)
	}
}
