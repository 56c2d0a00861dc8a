package engine

// Kernels is the arithmetic one device can do: every fused operation a transformer's step needs, forward and backward.
//
// It is the seam where speed lives. The plain-Go implementation in engine/cpu is the reference; a faster one is right when
// enginetest cannot tell it from the reference. All matrices are row-major float32. Slices handed in were made by Alloc of
// the same Kernels, or are parts of such, so that a device may own their memory; []int32 and Shape live on the host. Outputs
// are overwritten unless a comment says "adds", and overlap no input unless a comment says "may alias" (and then they are
// the same slice). Backward operations overwrite dx and ADD to parameter gradients (dw, db, dgain, dbias, dtable, dpos), so
// that gradient accumulation is free. A nil bias, or a nil gradient for a parameter or input that needs none, is skipped.
//
// Guarantee: for the same inputs the result is the same to the bit on the same device kind, whatever the number of
// threads: every reduction has a fixed order that does not depend on how the work was split.
//
// Several goroutines may use one Kernels at once, on outputs of their own. A slice whose length is not its shape's, a dimension
// below 1, or an id outside its table is a programming error and panics with the operation's name.
type Kernels interface {
	Info() Info
	// With returns the same device, memory and threads with the products of Linear and LinearBackward in precision p, or an
	// error where the device has no such products.
	With(p Precision) (Kernels, error)
	// Alloc returns n zeroed float32 of device memory.
	Alloc(n int) []float32
	// Upload copies host → device, Download device → host; lengths must match.
	Upload(dst, src []float32)
	Download(dst, src []float32)

	// Linear: y[m,n] = x[m,k]·w + b. w is [k,n] (GPT-2's Conv1D layout), or [n,k] when transposed (an embedding used as head).
	Linear(y, x, w, b []float32, m, k, n int, transposed bool)
	// LinearBackward: dx = dy·wᵀ; dw adds xᵀ·dy (in w's layout); db adds the column sums of dy.
	LinearBackward(dx, dw, db, dy, x, w []float32, m, k, n int, transposed bool)
	// LinearGradient: dw = xᵀ·dy (in w's layout), overwritten: the first gradient of a step needs no zeros to be added to.
	LinearGradient(dw, dy, x []float32, m, k, n int, transposed bool)

	// Embed: y[b·t, c] = table[ids[i], c] + pos[i mod t, c]. pos may be nil.
	Embed(y, table, pos []float32, ids []int32, b, t, c int)
	// EmbedBackward: dtable and dpos add the rows of dy, in the order of i.
	EmbedBackward(dtable, dpos, dy []float32, ids []int32, b, t, c int)

	// LayerNorm over rows of c: y = (x-mean)·rstd·gain + bias with rstd = 1/√(variance+eps) (Ba, Kiros & Hinton 2016); mean and
	// rstd [rows] are kept for the backward pass.
	LayerNorm(y, mean, rstd, x, gain, bias []float32, eps float32, rows, c int)
	LayerNormBackward(dx, dgain, dbias, dy, x, mean, rstd, gain []float32, rows, c int)
	// RMSNorm over rows of c: y = x·rstd·gain with rstd = 1/√(mean(x²)+eps) (Zhang & Sennrich 2019); rstd [rows] is kept.
	RMSNorm(y, rstd, x, gain []float32, eps float32, rows, c int)
	RMSNormBackward(dx, dgain, dy, x, rstd, gain []float32, rows, c int)
	// HeadNorm is RMSNorm of every query and key head by itself, in rows q|k|v of h (QK-norm: Henry et al. 2020); qGain and
	// kGain [h.Dim] are shared by heads, rstd [rows, h.Q+h.KV] is kept, v is copied.
	HeadNorm(y, rstd, x, qGain, kGain []float32, eps float32, rows int, h Heads)
	HeadNormBackward(dx, dqGain, dkGain, dy, x, rstd, qGain, kGain []float32, rows int, h Heads)

	// Activate: y = a(x). ActivateBackward: dx = dy·a'(x); dx may alias dy.
	Activate(a Activation, y, x []float32)
	ActivateBackward(a Activation, dx, dy, x []float32)
	// Gate: x [rows,2c] is gate|up, y [rows,c] = a(gate)·up: SwiGLU with SiLU, GeGLU with GELU (Shazeer 2020).
	Gate(a Activation, y, x []float32, rows, c int)
	GateBackward(a Activation, dx, dy, x []float32, rows, c int)

	// Rotate turns the query and key heads of rows q|k|v by their position (RoPE: Su et al. 2021) and copies v. Row r is at
	// position r mod t; cos and sin are [t or more, h.Dim/2], and element i is paired with i+h.Dim/2, as Hugging Face's Llama
	// pairs them. back turns the other way, which is the gradient. y may alias x.
	Rotate(y, x, cos, sin []float32, rows, t int, h Heads, back bool)

	// Attention: y = softmax(scale·q·kᵀ + bias)·v, head by head, as s says. q, k, v and y begin at the first head of the first
	// row; rows are a stride apart. bias [s.Heads.Q, TQ, TK] is added for every sequence of the batch, or nil. lse [B,
	// s.Heads.Q, TQ], the logarithm of Σe^score, is all that is kept besides the inputs and y. A query that sees no key has
	// y = 0 and lse = -Inf. Between heads, nothing of y is written.
	Attention(y, lse, q, k, v, bias []float32, s Shape)
	// AttentionBackward: dq lies as q, dk and dv as k and v, dy as y; dbias is overwritten, like dx elsewhere.
	AttentionBackward(dq, dk, dv, dbias, dy, y, lse, q, k, v, bias []float32, s Shape)
	// Relative: bias[h, i] = table[buckets[i], h], for heads h and n = len(buckets): T5's relative positions (Raffel et al. 2020).
	Relative(bias, table []float32, buckets []int32, heads int)
	// RelativeBackward: dtable adds dbias, in the order of i.
	RelativeBackward(dtable, dbias []float32, buckets []int32, heads int)

	// Dropout: y[i] = x[i]/(1-p) where random.Float64(key, i) ≥ p, else 0. The gradient of x is Dropout of dy with the same key.
	// p is in [0,1). y may alias x.
	Dropout(y, x []float32, key uint64, p float32)
	// SoftCap: y = cap·tanh(x/cap) (Gemma 2). SoftCapBackward: dx = dy·(1-(y/cap)²). y may alias x, dx may alias dy.
	SoftCap(y, x []float32, cap float32)
	SoftCapBackward(dx, dy, y []float32, cap float32)

	// CrossEntropy: losses[m] = -log softmax(logits[m,v])[targets[m]] in nats; target -1 is ignored (loss 0). probs may alias logits.
	CrossEntropy(losses, probs, logits []float32, targets []int32, m, v int)
	// CrossEntropyBackward: dlogits = (probs - onehot(target))·scale; rows with target -1 are zero. dlogits may alias probs.
	CrossEntropyBackward(dlogits, probs []float32, targets []int32, scale float32, m, v int)

	// ArgMax: best[m] = the place of the largest of each row of x[m,v], the first of equals; what comes after a NaN in place 0 is not larger.
	ArgMax(best []int32, x []float32, m, v int)

	// Add: dst = a + b (dst may alias either). Scale: x *= s. Zero: x = 0.
	Add(dst, a, b []float32)
	Scale(x []float32, s float32)
	Zero(x []float32)
	// Mix: dst = alpha·a + beta·b; dst may alias either. Without b (nil) dst = alpha·a.
	Mix(dst, a, b []float32, alpha, beta float32)
	// SumSquares returns Σx² accumulated in float64 in a fixed order.
	SumSquares(x []float32) float64

	// AdamW updates p, m, v in place with gradient g multiplied by h.GradScale first (Loshchilov & Hutter 2019, decoupled decay).
	AdamW(p, m, v, g []float32, h AdamW)
	// Lion updates p and m in place (Chen et al. 2023, algorithm 2): p -= lr·(sign(β1·m + (1-β1)·g) + decay·p), then
	// m = β2·m + (1-β2)·g. The sign of zero is zero and of a NaN is NaN.
	Lion(p, m, g []float32, h Lion)
	// SGD updates p and m in place, as PyTorch does: with g += decay·p, m = momentum·m + g, p -= lr·m, or lr·(g + momentum·m)
	// with Nesterov. m may be nil where Momentum is 0.
	SGD(p, m, g []float32, h SGD)
}

// Sharer is what Kernels may be too: a device that does one thing beside another.
type Sharer interface {
	// Alone returns the same device with operations on one thread, whose results are the same; nil where there is no other.
	Alone() Kernels
	// Beside calls do, which is made of Alone's operations, while all others go without one thread.
	Beside(do func())
}

// AdamW holds one step's hyper-parameters. Step counts from 1 (bias correction).
type AdamW struct {
	LR, Beta1, Beta2, Eps, WeightDecay, GradScale float32
	Step                                          int
}

// Lion holds one step's hyper-parameters; gradients are multiplied by GradScale first.
type Lion struct{ LR, Beta1, Beta2, WeightDecay, GradScale float32 }

// SGD holds one step's hyper-parameters; gradients are multiplied by GradScale first.
type SGD struct {
	LR, Momentum, WeightDecay, GradScale float32
	Nesterov                             bool
}

// Info tells what the arithmetic runs on, for a run's record.
type Info struct {
	Kind    string `json:"kind"`    // "cpu"
	Name    string `json:"name"`    // processor or GPU model, as the system names it
	Kernels string `json:"kernels"` // "avx512", "avx2", "go", "reference"; "amx" for products of bfloat16 on tiles
	Threads int    `json:"threads"`
}
