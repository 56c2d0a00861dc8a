package cpu

import "fmt"

// need panics unless s holds exactly n values: the last check before loops that trust their shapes.
func need(what string, s []float32, n int) {
	if len(s) != n {
		panic(fmt.Sprintf("cpu: %s has %d values, its shape needs %d", what, len(s), n))
	}
}

// needOrNil is need for arguments that may be left out.
func needOrNil(what string, s []float32, n int) {
	if s != nil {
		need(what, s, n)
	}
}

// needIDs panics unless ids holds n indices below limit; -1 passes when ignorable.
func needIDs(what string, ids []int32, n, limit int, ignorable bool) {
	if len(ids) != n {
		panic(fmt.Sprintf("cpu: %s has %d values, its shape needs %d", what, len(ids), n))
	}
	lowest := int32(0)
	if ignorable {
		lowest = -1
	}
	for i, id := range ids {
		if id < lowest || int(id) >= limit {
			panic(fmt.Sprintf("cpu: %s[%d] is %d, outside %d..%d", what, i, id, lowest, limit-1))
		}
	}
}

// needPositive panics unless every dimension is at least 1.
func needPositive(what string, dimensions ...int) {
	for _, d := range dimensions {
		if d < 1 {
			panic(fmt.Sprintf("cpu: %s has the dimensions %v, all must be at least 1", what, dimensions))
		}
	}
}

func linearShapes(y, x, w, b []float32, m, k, n int) {
	needPositive("Linear", m, k, n)
	need("Linear y", y, m*n)
	need("Linear x", x, m*k)
	need("Linear w", w, k*n)
	needOrNil("Linear b", b, n)
}

func linearBackwardShapes(dx, dw, db, dy, x, w []float32, m, k, n int) {
	needPositive("LinearBackward", m, k, n)
	needOrNil("LinearBackward dx", dx, m*k)
	needOrNil("LinearBackward dw", dw, k*n)
	needOrNil("LinearBackward db", db, n)
	need("LinearBackward dy", dy, m*n)
	if dw != nil {
		need("LinearBackward x", x, m*k)
	}
	if dx != nil {
		need("LinearBackward w", w, k*n)
	}
}

func embedShapes(y, table, pos []float32, ids []int32, b, t, c int) {
	needPositive("Embed", b, t, c)
	need("Embed y", y, b*t*c)
	if len(table)%c != 0 {
		panic(fmt.Sprintf("cpu: Embed table has %d values, not rows of %d", len(table), c))
	}
	if pos != nil && len(pos) < t*c {
		panic(fmt.Sprintf("cpu: Embed pos has %d values, %d positions of %d need %d", len(pos), t, c, t*c))
	}
	needIDs("Embed ids", ids, b*t, len(table)/c, false)
}

func embedBackwardShapes(dtable, dpos, dy []float32, ids []int32, b, t, c int) {
	needPositive("EmbedBackward", b, t, c)
	need("EmbedBackward dy", dy, b*t*c)
	if dpos != nil && len(dpos) < t*c {
		panic(fmt.Sprintf("cpu: EmbedBackward dpos has %d values, %d positions of %d need %d", len(dpos), t, c, t*c))
	}
	if dtable != nil {
		if len(dtable)%c != 0 {
			panic(fmt.Sprintf("cpu: EmbedBackward dtable has %d values, not rows of %d", len(dtable), c))
		}
		needIDs("EmbedBackward ids", ids, b*t, len(dtable)/c, false)
	}
}

func layerNormShapes(y, mean, rstd, x, gain, bias []float32, rows, c int) {
	needPositive("LayerNorm", rows, c)
	need("LayerNorm y", y, rows*c)
	need("LayerNorm mean", mean, rows)
	need("LayerNorm rstd", rstd, rows)
	need("LayerNorm x", x, rows*c)
	need("LayerNorm gain", gain, c)
	needOrNil("LayerNorm bias", bias, c)
}

func layerNormBackwardShapes(dx, dgain, dbias, dy, x, mean, rstd, gain []float32, rows, c int) {
	needPositive("LayerNormBackward", rows, c)
	needOrNil("LayerNormBackward dx", dx, rows*c)
	needOrNil("LayerNormBackward dgain", dgain, c)
	needOrNil("LayerNormBackward dbias", dbias, c)
	need("LayerNormBackward dy", dy, rows*c)
	need("LayerNormBackward x", x, rows*c)
	need("LayerNormBackward mean", mean, rows)
	need("LayerNormBackward rstd", rstd, rows)
	need("LayerNormBackward gain", gain, c)
}

func attentionShapes(y, probs, qkv []float32, b, t, c, h int) {
	needPositive("Attention", b, t, c, h)
	if c%h != 0 {
		panic(fmt.Sprintf("cpu: Attention cannot split %d channels over %d heads", c, h))
	}
	need("Attention y", y, b*t*c)
	need("Attention probs", probs, b*h*t*t)
	need("Attention qkv", qkv, b*t*3*c)
}

func attentionBackwardShapes(dqkv, dy, qkv, probs []float32, b, t, c, h int) {
	needPositive("AttentionBackward", b, t, c, h)
	if c%h != 0 {
		panic(fmt.Sprintf("cpu: AttentionBackward cannot split %d channels over %d heads", c, h))
	}
	need("AttentionBackward dqkv", dqkv, b*t*3*c)
	need("AttentionBackward dy", dy, b*t*c)
	need("AttentionBackward qkv", qkv, b*t*3*c)
	need("AttentionBackward probs", probs, b*h*t*t)
}

func crossEntropyShapes(losses, probs, logits []float32, targets []int32, m, v int) {
	needPositive("CrossEntropy", m, v)
	need("CrossEntropy losses", losses, m)
	need("CrossEntropy probs", probs, m*v)
	need("CrossEntropy logits", logits, m*v)
	needIDs("CrossEntropy targets", targets, m, v, true)
}

func crossEntropyBackwardShapes(dlogits, probs []float32, targets []int32, m, v int) {
	needPositive("CrossEntropyBackward", m, v)
	need("CrossEntropyBackward dlogits", dlogits, m*v)
	need("CrossEntropyBackward probs", probs, m*v)
	needIDs("CrossEntropyBackward targets", targets, m, v, true)
}

func adamWShapes(p, m, v, g []float32) {
	need("AdamW m", m, len(p))
	need("AdamW v", v, len(p))
	need("AdamW g", g, len(p))
}
