package cpu

import (
	"fmt"

	"millrace/trainer/engine"
)

// need panics unless s holds exactly n values: the last check before loops that trust their shapes.
func need[T any](what string, s []T, n int) {
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
			// A copy is shown, so that the slice itself need not be allocated at every call.
			panic(fmt.Sprintf("cpu: %s has the dimensions %v, all must be at least 1", what, append([]int(nil), dimensions...)))
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

func linearGradientShapes(dw, dy, x []float32, m, k, n int) {
	needPositive("LinearGradient", m, k, n)
	need("LinearGradient dw", dw, k*n)
	need("LinearGradient dy", dy, m*n)
	need("LinearGradient x", x, m*k)
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

func rmsNormShapes(y, rstd, x, gain []float32, rows, c int) {
	needPositive("RMSNorm", rows, c)
	need("RMSNorm y", y, rows*c)
	need("RMSNorm rstd", rstd, rows)
	need("RMSNorm x", x, rows*c)
	need("RMSNorm gain", gain, c)
}

func rmsNormBackwardShapes(dx, dgain, dy, x, rstd, gain []float32, rows, c int) {
	needPositive("RMSNormBackward", rows, c)
	needOrNil("RMSNormBackward dx", dx, rows*c)
	needOrNil("RMSNormBackward dgain", dgain, c)
	need("RMSNormBackward dy", dy, rows*c)
	need("RMSNormBackward x", x, rows*c)
	need("RMSNormBackward rstd", rstd, rows)
	need("RMSNormBackward gain", gain, c)
}

// needHeads panics unless query heads can share key heads.
func needHeads(what string, h engine.Heads) {
	needPositive(what, h.Q, h.KV, h.Dim)
	if h.Q%h.KV != 0 {
		panic(fmt.Sprintf("cpu: %s has %d query heads, which cannot share %d key heads", what, h.Q, h.KV))
	}
}

func headNormShapes(y, rstd, x, qGain, kGain []float32, rows int, h engine.Heads) {
	needPositive("HeadNorm", rows)
	needHeads("HeadNorm", h)
	need("HeadNorm y", y, rows*h.Width())
	need("HeadNorm rstd", rstd, rows*(h.Q+h.KV))
	need("HeadNorm x", x, rows*h.Width())
	need("HeadNorm qGain", qGain, h.Dim)
	need("HeadNorm kGain", kGain, h.Dim)
}

func headNormBackwardShapes(dx, dqGain, dkGain, dy, x, rstd, qGain, kGain []float32, rows int, h engine.Heads) {
	needPositive("HeadNormBackward", rows)
	needHeads("HeadNormBackward", h)
	needOrNil("HeadNormBackward dx", dx, rows*h.Width())
	needOrNil("HeadNormBackward dqGain", dqGain, h.Dim)
	needOrNil("HeadNormBackward dkGain", dkGain, h.Dim)
	need("HeadNormBackward dy", dy, rows*h.Width())
	need("HeadNormBackward x", x, rows*h.Width())
	need("HeadNormBackward rstd", rstd, rows*(h.Q+h.KV))
	need("HeadNormBackward qGain", qGain, h.Dim)
	need("HeadNormBackward kGain", kGain, h.Dim)
}

// needRows panics unless s holds n rows of width values, stride apart; what follows the last row does not matter.
func needRows(what string, s []float32, n, stride, width int) {
	if least := (n-1)*stride + width; len(s) < least {
		panic(fmt.Sprintf("cpu: %s has %d values, %d rows of %d that are %d apart need %d", what, len(s), n, width, stride, least))
	}
}

func attentionShapes(y, lse, q, k, v, bias []float32, s engine.Shape) {
	if err := s.Check(); err != nil {
		panic("cpu: Attention of " + err.Error())
	}
	h := s.Heads
	needRows("Attention y", y, s.B*s.TQ, s.YStride, h.Q*h.Dim)
	need("Attention lse", lse, s.B*h.Q*s.TQ)
	needRows("Attention q", q, s.B*s.TQ, s.QStride, h.Q*h.Dim)
	needRows("Attention k", k, s.B*s.TK, s.KVStride, h.KV*h.Dim)
	needRows("Attention v", v, s.B*s.TK, s.KVStride, h.KV*h.Dim)
	needOrNil("Attention bias", bias, h.Q*s.TQ*s.TK)
}

func attentionBackwardShapes(dq, dk, dv, dbias, dy, y, lse, q, k, v, bias []float32, s engine.Shape) {
	if err := s.Check(); err != nil {
		panic("cpu: AttentionBackward of " + err.Error())
	}
	h := s.Heads
	needRows("AttentionBackward dq", dq, s.B*s.TQ, s.QStride, h.Q*h.Dim)
	needRows("AttentionBackward dk", dk, s.B*s.TK, s.KVStride, h.KV*h.Dim)
	needRows("AttentionBackward dv", dv, s.B*s.TK, s.KVStride, h.KV*h.Dim)
	needOrNil("AttentionBackward dbias", dbias, h.Q*s.TQ*s.TK)
	needRows("AttentionBackward dy", dy, s.B*s.TQ, s.YStride, h.Q*h.Dim)
	needRows("AttentionBackward y", y, s.B*s.TQ, s.YStride, h.Q*h.Dim)
	need("AttentionBackward lse", lse, s.B*h.Q*s.TQ)
	needRows("AttentionBackward q", q, s.B*s.TQ, s.QStride, h.Q*h.Dim)
	needRows("AttentionBackward k", k, s.B*s.TK, s.KVStride, h.KV*h.Dim)
	needRows("AttentionBackward v", v, s.B*s.TK, s.KVStride, h.KV*h.Dim)
	needOrNil("AttentionBackward bias", bias, h.Q*s.TQ*s.TK)
}

func relativeShapes(what string, bias, table []float32, buckets []int32, heads int) {
	needPositive(what, len(buckets), heads)
	need(what+" bias", bias, heads*len(buckets))
	if len(table)%heads != 0 {
		panic(fmt.Sprintf("cpu: %s table has %d values, not rows of %d", what, len(table), heads))
	}
	needIDs(what+" buckets", buckets, len(buckets), len(table)/heads, false)
}

// needActivation panics at a name that is none.
func needActivation(what string, a engine.Activation) {
	switch a {
	case engine.GELU, engine.GELUExact, engine.ReLU, engine.SiLU, engine.ReLUSquared:
	default:
		panic(fmt.Sprintf("cpu: %s of an unknown activation %q", what, a))
	}
}

func activateShapes(a engine.Activation, y, x []float32) {
	needActivation("Activate", a)
	need("Activate y", y, len(x))
}

func activateBackwardShapes(a engine.Activation, dx, dy, x []float32) {
	needActivation("ActivateBackward", a)
	need("ActivateBackward dx", dx, len(x))
	need("ActivateBackward dy", dy, len(x))
}

func gateShapes(a engine.Activation, y, x []float32, rows, c int) {
	needActivation("Gate", a)
	needPositive("Gate", rows, c)
	need("Gate y", y, rows*c)
	need("Gate x", x, rows*2*c)
}

func gateBackwardShapes(a engine.Activation, dx, dy, x []float32, rows, c int) {
	needActivation("GateBackward", a)
	needPositive("GateBackward", rows, c)
	need("GateBackward dx", dx, rows*2*c)
	need("GateBackward dy", dy, rows*c)
	need("GateBackward x", x, rows*2*c)
}

func rotateShapes(y, x, cos, sin []float32, rows, t int, h engine.Heads) {
	needPositive("Rotate", rows, t)
	needHeads("Rotate", h)
	if h.Dim%2 != 0 {
		panic(fmt.Sprintf("cpu: Rotate cannot pair the values of heads of %d", h.Dim))
	}
	need("Rotate y", y, rows*h.Width())
	need("Rotate x", x, rows*h.Width())
	needRows("Rotate cos", cos, t, h.Dim/2, h.Dim/2)
	needRows("Rotate sin", sin, t, h.Dim/2, h.Dim/2)
}

func dropoutShapes(y, x []float32, p float32) {
	need("Dropout y", y, len(x))
	if !(p >= 0 && p < 1) {
		panic(fmt.Sprintf("cpu: Dropout of %g, outside [0,1)", p))
	}
}

func softCapShapes(y, x []float32, limit float32) {
	need("SoftCap y", y, len(x))
	needCap("SoftCap", limit)
}

func softCapBackwardShapes(dx, dy, y []float32, limit float32) {
	need("SoftCapBackward dx", dx, len(y))
	need("SoftCapBackward dy", dy, len(y))
	needCap("SoftCapBackward", limit)
}

func needCap(what string, limit float32) {
	if !(limit > 0) {
		panic(fmt.Sprintf("cpu: %s at %g, must be above 0", what, limit))
	}
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

func argMaxShapes(best []int32, x []float32, m, v int) {
	needPositive("ArgMax", m, v)
	need("ArgMax best", best, m)
	need("ArgMax x", x, m*v)
}

func adamWShapes(p, m, v, g []float32) {
	need("AdamW m", m, len(p))
	need("AdamW v", v, len(p))
	need("AdamW g", g, len(p))
}

func mixShapes(dst, a, b []float32) {
	need("Mix a", a, len(dst))
	needOrNil("Mix b", b, len(dst))
}

func lionShapes(p, m, g []float32) {
	need("Lion m", m, len(p))
	need("Lion g", g, len(p))
}

func sgdShapes(p, m, g []float32, h engine.SGD) {
	if m != nil || h.Momentum != 0 {
		need("SGD m", m, len(p))
	}
	need("SGD g", g, len(p))
}
