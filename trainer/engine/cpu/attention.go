package cpu

import (
	"math"

	"millrace/trainer/engine"
)

// Scores are made the upright way: a row for each key, a column for each query, a panel of queries at a time. A column's softmax runs down the
// rows, so that lanes never meet; keys, values and the gradients of y are multiplied where they lie; only queries are turned.

// A block is how many queries' scores and their gradients are held at once, so that memory grows with the number of keys and not with its
// square: blockMost, or fewer while those of all keys would not stay in the second-level cache.
const (
	blockMost   = 128
	blockLeast  = 32
	blockScores = 1 << 17
)

// queryBlock is the block for so many keys. It is part of the result: sums over queries are cut by it.
func queryBlock(keys int) int {
	block := blockMost
	for block > blockLeast && block*keys > blockScores {
		block /= 2
	}
	return block
}

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
	there, at   int       // keys of the sequence; the first query's position among them, beyond all where every query sees all
	bias, lse   []float32 // [TQ,TK] or nil, [TQ]
}

func newAttended(s *engine.Shape, batch, head int, bias, lse []float32) attended {
	a := attended{s: s, batch: batch, head: head, scale: float32(attentionScale(*s)), there: s.TK, at: s.TK}
	if s.Lengths != nil {
		a.there = int(s.Lengths[batch])
	}
	if s.Causal {
		a.at = s.Position(batch, 0)
	}
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

// seen is Shape.Seen of query i.
func (a *attended) seen(i int) int { return max(0, min(a.there, a.at+i+1)) }

// first is the first query that sees a key: those before it have none, those behind it see the same keys and maybe more.
func (a *attended) first() int {
	i := 0
	for i < a.s.TQ && a.seen(i) == 0 {
		i++
	}
	return i
}

// sight sets columns to how many keys queries from..to see; those behind see one.
func (a *attended) sight(columns []float32, from, to int) {
	for i := range columns {
		columns[i] = 1
		if from+i < to {
			columns[i] = float32(a.seen(from + i))
		}
	}
}

// Attention gives every query head of a sequence to one thread. A panel of queries never looks at keys beyond those its last one sees.
func (k *fast) Attention(y, lse, q, key, v, bias []float32, s engine.Shape) {
	attentionShapes(y, lse, q, key, v, bias, s)
	each(k, s.B*s.Heads.Q, attends{y: y, lse: lse, q: q, key: key, v: v, bias: bias, s: s}, func(k *fast, x *attends, sc *scratch, index int) {
		s := &x.s
		dim, tk := s.Heads.Dim, s.TK
		a := newAttended(s, index/s.Heads.Q, index%s.Heads.Q, x.bias, x.lse)
		room := grow(&sc.panels, 2*k.operandRoom(tk, dim)+k.room(k.panel, dim))
		keys := k.operand(&room, a.keys(x.key), s.KVStride, tk, dim, false)
		values := k.operand(&room, a.keys(x.v), s.KVStride, tk, dim, true)
		probs := grow(&sc.scores, (tk+3)*k.panel)
		seen, best, sum := probs[tk*k.panel:][:k.panel], probs[(tk+1)*k.panel:][:k.panel], probs[(tk+2)*k.panel:][:k.panel]
		out := a.out(x.y)
		first := a.first()
		for i := range first {
			clear(out[i*s.YStride:][:dim])
			a.lse[i] = float32(math.Inf(-1))
		}
		for from := first; from < s.TQ; from += k.panel {
			to := min(s.TQ, from+k.panel)
			most := a.seen(to - 1)
			rate := k.scores(sc, room, probs, k.panel, &a, x.q, keys, from, to)
			a.sight(seen, from, to)
			k.softmaxColumns(probs, k.panel, most, rate, seen, best, sum)
			for i := range to - from {
				a.lse[from+i] = float32(math.Log(float64(sum[i])) + float64(best[i])*float64(rate))
			}
			count := k.tiles(to - from)
			for t := range count {
				low, high := (to-from)*t/count, (to-from)*(t+1)/count
				k.times(out[(from+low)*s.YStride:], s.YStride, probs[low:], 1, k.panel, values, high-low, dim, 0, a.seen(from+high-1), false)
			}
		}
	})
}

// scores sets a panel's columns to the scores of queries from..to: a row for each key that the last of them sees, row apart. They are to be
// multiplied by rate still, and some are of keys that a query does not see.
func (k *fast) scores(sc *scratch, room, p []float32, row int, a *attended, q []float32, keys operand, from, to int) (rate float32) {
	s, most := a.s, a.seen(to-1)
	queries := k.columnPanels(room, a.queries(q)[from*s.QStride:], s.QStride, to-from, s.Heads.Dim)
	count := k.tiles(most)
	for t := range count {
		low, high := most*t/count, most*(t+1)/count
		k.tile(p[low*row:], row, keys.rows[low*keys.row:], keys.row, 1, queries, k.panel, nil, high-low, k.panel, s.Heads.Dim, false, nil, 0, nil)
	}
	return k.adjust(sc, p, row, a, from, to)
}

// adjust scales the scores of queries from..to and adds what is not a product; without bias and slopes there is nothing to do, and the
// scores are left unscaled.
func (k *fast) adjust(sc *scratch, p []float32, row int, a *attended, from, to int) (rate float32) {
	s, most := a.s, a.seen(to-1)
	if a.bias == nil && s.Slopes == nil {
		return a.scale
	}
	var bias []float32
	if a.bias != nil {
		bias = k.columnPanels(grow(&sc.rows, s.TK*k.panel), a.bias[from*s.TK:], s.TK, to-from, most)
	}
	for j := range most {
		line := p[j*row:][:k.panel]
		if s.Slopes == nil {
			k.mix(line, line, bias[j*k.panel:][:k.panel], a.scale, 1)
			continue
		}
		slope, distance := s.Slopes[a.head], s.Position(a.batch, from)-j
		for i := range line {
			line[i] = line[i]*a.scale - slope*float32(max(distance+i, -distance-i))
		}
		if bias != nil {
			k.add(line, line, bias[j*k.panel:][:k.panel])
		}
	}
	return 1
}

// AttentionBackward gives every key head of a sequence to one thread, with all the queries that share it; where the bias has a
// gradient, which all sequences share, every key head of all of them. It goes through the queries in blocks: their
// probabilities again, the gradients of their scores, then what they add to dq, dk, dv.
func (k *fast) AttentionBackward(dq, dk, dv, dbias, dy, y, lse, q, key, v, bias []float32, s engine.Shape) {
	attentionBackwardShapes(dq, dk, dv, dbias, dy, y, lse, q, key, v, bias, s)
	clear(dbias)
	x := attends{lse: lse, q: q, key: key, v: v, bias: bias, dq: dq, dk: dk, dv: dv, dbias: dbias, dy: dy, s: s}
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
	s := &x.s
	dim, tq, tk, group := s.Heads.Dim, s.TQ, s.TK, s.Heads.Q/s.Heads.KV
	a := newAttended(s, batch, kv*group, x.bias, x.lse)
	keyGrad, valueGrad := a.keys(x.dk), a.keys(x.dv)
	done := 0 // keys whose gradients are more than what was in memory
	room := grow(&sc.panels, 2*k.operandRoom(tk, dim)+2*k.operandRoom(tq, dim)+k.room(k.panel, dim))
	keys := k.operand(&room, a.keys(x.key), s.KVStride, tk, dim, true)
	values := k.operand(&room, a.keys(x.v), s.KVStride, tk, dim, false)
	block := queryBlock(tk)
	row := block + 16 // one cache line more than they need, lest rows fall into few sets of the cache
	scores := grow(&sc.scores, 2*tk*row+2*k.panel)
	probs, ds, columns := scores[:tk*row], scores[tk*row:2*tk*row], scores[2*tk*row:]
	for head := kv * group; head < (kv+1)*group; head++ {
		a := newAttended(s, batch, head, x.bias, x.lse)
		room := room
		queries := k.operand(&room, a.queries(x.q), s.QStride, tq, dim, true)
		grads := k.operand(&room, a.out(x.dy), s.YStride, tq, dim, true)
		first := a.first()
		out := a.queries(x.dq)
		for i := range first {
			clear(out[i*s.QStride:][:dim])
		}
		for ; first < tq; first += block {
			last := min(tq, first+block)
			all := a.seen(last - 1)
			for from := first; from < last; from += k.panel {
				to, at := min(last, from+k.panel), from-first
				p, d := probs[at:], ds[at:]
				k.scoreGradients(sc, room, p, d, row, columns, all, &a, x, keys, values, from, to)
				count := k.tiles(to - from)
				for t := range count {
					low, high := (to-from)*t/count, (to-from)*(t+1)/count
					k.times(out[(from+low)*s.QStride:], s.QStride, d[low:], 1, row, keys, high-low, dim, 0, a.seen(from+high-1), false)
				}
			}
			count, since := k.tiles(all), first
			for t := range count {
				low, high := all*t/count, all*(t+1)/count
				for a.seen(since) <= low { // queries before the first that sees the first of these keys see none of them
					since++
				}
				for j := max(low, done); j < high && done > low; j++ { // a tile of which some were added to before
					clear(keyGrad[j*s.KVStride:][:dim])
					clear(valueGrad[j*s.KVStride:][:dim])
				}
				at, add := low*row+since-first, done > low
				k.times(keyGrad[low*s.KVStride:], s.KVStride, ds[at:], row, 1, queries, high-low, dim, since, last-since, add)
				k.times(valueGrad[low*s.KVStride:], s.KVStride, probs[at:], row, 1, grads, high-low, dim, since, last-since, add)
			}
			done = max(done, all)
		}
	}
	for j := done; j < tk; j++ { // which nobody sees
		clear(keyGrad[j*s.KVStride:][:dim])
		clear(valueGrad[j*s.KVStride:][:dim])
	}
}

// scoreGradients sets a panel's columns of p to the probabilities of queries from..to, and of d to the gradients of the products q·k, for
// all keys that the last of them sees and, as far as the block sees any, a tile's rows more. Both are zero where a query does not see a key.
func (k *fast) scoreGradients(sc *scratch, room, p, d []float32, row int, columns []float32, all int, a *attended, x *attends, keys, values operand, from, to int) {
	s, most, dim := a.s, a.seen(to-1), a.s.Heads.Dim
	rate := k.scores(sc, room, p, row, a, x.q, keys, from, to)
	grads := k.columnPanels(room, a.out(x.dy)[from*s.YStride:], s.YStride, to-from, dim)
	count := k.tiles(most)
	for t := range count {
		low, high := most*t/count, most*(t+1)/count
		k.tile(d[low*row:], row, values.rows[low*values.row:], values.row, 1, grads, k.panel, nil, high-low, k.panel, dim, false, nil, 0, nil)
	}
	seen, lse := columns[:k.panel], columns[k.panel:]
	a.sight(seen, from, to)
	clear(lse[copy(lse, a.lse[from:to]):])
	rows := min(all, most+k.tileRows)
	if x.dbias == nil {
		k.softmaxColumnsBackward(p, d, row, rows, rate, a.scale, seen, lse)
		return
	}
	k.softmaxColumnsBackward(p, d, row, rows, rate, 1, seen, lse)
	k.biasGradients(sc, x.dbias[a.head*s.TQ*s.TK:], d, row, a, from, to)
	for j := range most {
		line := d[j*row:][:k.panel]
		k.level.scale(line, line, a.scale)
	}
}

// biasGradients adds a panel of gradients, turned, to those of a head's bias.
func (k *fast) biasGradients(sc *scratch, dbias, d []float32, row int, a *attended, from, to int) {
	half, tk, most := k.panel/2, a.s.TK, a.seen(to-1)
	turned := grow(&sc.rows, k.panel*k.panel)
	for j := 0; j < most; j += half {
		// A row for each query: the transpose of up to half a panel of keys.
		k.packHalf(turned, &product{b: d[j*row:], bRow: 1, bCol: row, n: half, k: to - from}, 0, to-from, 0, min(half, most-j))
		for i := from; i < to; i++ {
			if seen := min(half, a.seen(i)-j); seen > 0 {
				sum := dbias[i*tk+j:][:seen]
				k.add(sum, sum, turned[(i-from)*k.panel:][:seen])
			}
		}
	}
}

// tiles is into how many tiles of even height so many rows are cut.
func (k *fast) tiles(rows int) int { return (rows + k.tileRows - 1) / k.tileRows }

// room is the size of packed B[deep,n] with n columns.
func (k *fast) room(n, deep int) int { return (n + k.panel - 1) / k.panel * k.panel * deep }

// operand is rows of a head, as they are read: by a tile that has a row of C for each, row apart, and as B, in panels that begin step times
// their first column on and whose rows are panelRow apart.
type operand struct {
	rows, panels        []float32
	row, panelRow, step int
}

// operandRoom is what operand takes at most.
func (k *fast) operandRoom(rows, dim int) int { return rows*dim + k.room(dim, rows) }

// operand takes rows of dim values, stride apart, where they lie, unless they lie far apart; and packs them as B if they are needed so and
// are no whole panels.
func (k *fast) operand(room *[]float32, src []float32, stride, rows, dim int, asB bool) operand {
	if stride >= far {
		dense := (*room)[:rows*dim]
		*room = (*room)[rows*dim:]
		for i := range rows {
			copy(dense[i*dim:][:dim], src[i*stride:])
		}
		src, stride = dense, dim
	}
	o := operand{rows: src, row: stride, panels: src, panelRow: stride, step: 1}
	if asB && dim%k.panel != 0 {
		n := k.room(dim, rows)
		o.panels, o.panelRow, o.step = k.packAll((*room)[:n], &product{b: src, bRow: stride, bCol: 1, n: dim, k: rows}), k.panel, rows
		*room = (*room)[n:]
	}
	return o
}

// columnPanels packs the transpose of n rows of deep values, ld apart.
func (k *fast) columnPanels(dst, src []float32, ld, n, deep int) []float32 {
	return k.packAll(dst, &product{b: src, bRow: 1, bCol: ld, n: n, k: deep})
}

func (k *fast) packAll(dst []float32, p *product) []float32 {
	k.pack(dst, p.k*k.panel, p, 0, p.k, 0, p.n)
	return dst
}

// times multiplies one tile of A by rows first..first+length of B, as far as n columns.
func (k *fast) times(c []float32, cRow int, a []float32, aRow, aCol int, b operand, rows, n, first, length int, add bool) {
	for column := 0; column < n; column += k.panel {
		k.tile(c[column:], cRow, a, aRow, aCol, b.panels[column*b.step+first*b.panelRow:], b.panelRow, nil, rows, min(k.panel, n-column), length, add, nil, 0, nil)
	}
}
