package cpu

import "math"

// queryBlock is how many queries' gradients are held at once, so that scratch memory grows with t and not with t².
const queryBlock = 128

// head is one head of one sequence inside [b,t,3c] activations.
type head struct {
	q, k, v        []float32 // from the head's first value on, rows 3c apart
	t, c, size     int
	probs          []float32 // [t,t]
	scale          float32
	sequence, slot int
}

func newHead(qkv, probs []float32, index, t, c, h int) head {
	sequence, slot := index/h, index%h
	size := c / h
	start := sequence*t*3*c + slot*size
	return head{
		q: qkv[start:], k: qkv[start+c:], v: qkv[start+2*c:], t: t, c: c, size: size,
		probs: probs[index*t*t:][:t*t], scale: float32(1 / math.Sqrt(float64(size))), sequence: sequence, slot: slot,
	}
}

// out is the head's slice of [b,t,c] activations, rows c apart.
func (h head) out(y []float32) []float32 { return y[h.sequence*h.t*h.c+h.slot*h.size:] }

// Attention gives every head to one thread. A tile of queries never looks at keys beyond its last row: half the work.
func (k *fast) Attention(y, probs, qkv []float32, b, t, c, h int) {
	attentionShapes(y, probs, qkv, b, t, c, h)
	k.crew.each(b*h, func(s *scratch, index int) {
		hd := newHead(qkv, probs, index, t, c, h)
		room := grow(&s.panels, k.room(t, hd.size)+k.room(hd.size, t))
		keys := k.columnPanels(room, hd.k, 3*c, t, hd.size)
		values := k.rowPanels(room[k.room(t, hd.size):], hd.v, 3*c, t, hd.size)
		out := hd.out(y)
		for from, to := range k.tiles(0, t) {
			k.times(hd.probs[from*t:], t, hd.q[from*3*c:], 3*c, 1, keys, hd.size, to-from, to, 0, hd.size, false)
			for i := from; i < to; i++ {
				row := hd.probs[i*t : (i+1)*t]
				k.softmax(row[:i+1], row[:i+1], hd.scale)
				clear(row[i+1:])
			}
			k.times(out[from*c:], c, hd.probs[from*t:], t, 1, values, t, to-from, hd.size, 0, to, false)
		}
	})
}

// AttentionBackward goes through the queries in blocks: the gradients of a block's scores, then what they add to dq, dk, dv.
func (k *fast) AttentionBackward(dqkv, dy, qkv, probs []float32, b, t, c, h int) {
	attentionBackwardShapes(dqkv, dy, qkv, probs, b, t, c, h)
	k.crew.each(b*h, func(s *scratch, index int) {
		hd := newHead(qkv, probs, index, t, c, h)
		grad := newHead(dqkv, probs, index, t, c, h)
		out := hd.out(dy)
		tall, flat := k.room(hd.size, t), k.room(t, hd.size)
		room := grow(&s.panels, flat+3*tall)
		values := k.columnPanels(room, hd.v, 3*c, t, hd.size)
		keys := k.rowPanels(room[flat:], hd.k, 3*c, t, hd.size)
		queries := k.rowPanels(room[flat+tall:], hd.q, 3*c, t, hd.size)
		grads := k.rowPanels(room[flat+2*tall:], out, c, t, hd.size)
		ds := grow(&s.scores, min(t, queryBlock)*t) // of the block's queries, rows t apart
		for first := 0; first < t; first += queryBlock {
			last := min(t, first+queryBlock)
			for from, to := range k.tiles(first, last) {
				rows := ds[(from-first)*t:]
				k.times(rows, t, out[from*c:], c, 1, values, hd.size, to-from, to, 0, hd.size, false)
				for i := from; i < to; i++ {
					row := rows[(i-from)*t:][:t]
					k.softmaxBackward(row[:i+1], hd.probs[i*t:][:i+1], hd.scale)
					clear(row[i+1 : to])
				}
				k.times(grad.q[from*3*c:], 3*c, rows, t, 1, keys, t, to-from, hd.size, 0, to, false)
			}
			for start := 0; start < last; start += queryBlock {
				for from, to := range k.tiles(start, min(last, start+queryBlock)) {
					// Queries before the first of these keys do not see them; the rest of the tile's triangle is zero.
					since := max(first, from)
					add := start < first
					k.times(grad.k[from*3*c:], 3*c, ds[(since-first)*t+from:], 1, t, queries, t, to-from, hd.size, since, last-since, add)
					k.times(grad.v[from*3*c:], 3*c, hd.probs[since*t+from:], 1, t, grads, t, to-from, hd.size, since, last-since, add)
				}
			}
		}
	})
}

// tiles cuts rows from..to into tiles of even height.
func (k *fast) tiles(from, to int) func(yield func(from, to int) bool) {
	rows := to - from
	count := (rows + k.tileRows - 1) / k.tileRows
	return func(yield func(from, to int) bool) {
		for t := range count {
			if !yield(from+rows*t/count, from+rows*(t+1)/count) {
				return
			}
		}
	}
}

// room is the size of packed B[deep,n] with n columns.
func (k *fast) room(n, deep int) int { return (n + k.panel - 1) / k.panel * k.panel * deep }

// rowPanels packs deep rows of n columns, ld apart.
func (k *fast) rowPanels(dst, src []float32, ld, deep, n int) []float32 {
	return k.packAll(dst, product{b: src, bRow: ld, bCol: 1, n: n, k: deep})
}

// columnPanels packs the transpose of n rows of deep values, ld apart.
func (k *fast) columnPanels(dst, src []float32, ld, n, deep int) []float32 {
	return k.packAll(dst, product{b: src, bRow: 1, bCol: ld, n: n, k: deep})
}

func (k *fast) packAll(dst []float32, p product) []float32 {
	k.pack(dst, p.k*k.panel, p, 0, p.k, 0, p.n)
	return dst
}

// times multiplies one tile of A by rows first..first+length of B, packed deep rows deep, as far as n columns.
func (k *fast) times(c []float32, cRow int, a []float32, aRow, aCol int, b []float32, deep, rows, n, first, length int, add bool) {
	for column := 0; column < n; column += k.panel {
		k.tile(c[column:], cRow, a, aRow, aCol, b[column*deep+first*k.panel:], k.panel, nil, rows, min(k.panel, n-column), length, add)
	}
}
