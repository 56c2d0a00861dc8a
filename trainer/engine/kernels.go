package engine

// Kernels is the arithmetic one device can do: every fused operation a transformer's step needs, forward and backward.
//
// It is the seam where speed lives. The plain-Go implementation in engine/cpu is the reference; a faster one is right when
// enginetest cannot tell it from the reference. All matrices are row-major float32. Slices handed in were made by Alloc of
// the same Kernels, or are parts of such, so that a device may own their memory; ids and targets live on the host. Outputs are
// overwritten unless a comment says "adds", and overlap no input unless a comment says "may alias". Backward operations overwrite dx and ADD to parameter gradients (dw, db, dgain, dbias, dtable, dpos),
// so that gradient accumulation is free. A nil bias, or a nil gradient for a parameter or input that needs none, is skipped.
//
// Guarantee: for the same inputs the result is the same to the bit on the same device kind, whatever the number of
// threads: every reduction has a fixed order that does not depend on how the work was split.
//
// Several goroutines may use one Kernels at once, on outputs of their own. A slice whose length is not its shape's, a dimension
// below 1, or an id outside its table is a programming error and panics with the operation's name.
type Kernels interface {
	Info() Info
	// Alloc returns n zeroed float32 of device memory.
	Alloc(n int) []float32
	// Upload copies host → device, Download device → host; lengths must match.
	Upload(dst, src []float32)
	Download(dst, src []float32)

	// Linear: y[m,n] = x[m,k]·w + b. w is [k,n] (GPT-2's Conv1D layout), or [n,k] when transposed (an embedding used as head).
	Linear(y, x, w, b []float32, m, k, n int, transposed bool)
	// LinearBackward: dx = dy·wᵀ; dw adds xᵀ·dy (in w's layout); db adds the column sums of dy.
	LinearBackward(dx, dw, db, dy, x, w []float32, m, k, n int, transposed bool)

	// Embed: y[b·t, c] = table[ids[i], c] + pos[i mod t, c]. pos may be nil.
	Embed(y, table, pos []float32, ids []int32, b, t, c int)
	// EmbedBackward: dtable and dpos add the rows of dy, in the order of i.
	EmbedBackward(dtable, dpos, dy []float32, ids []int32, b, t, c int)

	// LayerNorm over rows of c, eps 1e-5: y = (x-mean)·rstd·gain + bias; mean and rstd [rows] are kept for the backward pass.
	LayerNorm(y, mean, rstd, x, gain, bias []float32, rows, c int)
	LayerNormBackward(dx, dgain, dbias, dy, x, mean, rstd, gain []float32, rows, c int)

	// GELU is the tanh approximation (Hendrycks & Gimpel 2016): 0.5x(1+tanh(√(2/π)(x+0.044715x³))).
	GELU(y, x []float32)
	GELUBackward(dx, dy, x []float32)

	// Attention is causal multi-head self-attention, scores scaled by 1/√(c/h). qkv is [b,t,3c] (q, k, v side by side),
	// y is [b,t,c], probs [b,h,t,t] is kept for the backward pass (entries above the diagonal are zero).
	Attention(y, probs, qkv []float32, b, t, c, h int)
	// AttentionBackward: dqkv [b,t,3c] from dy [b,t,c].
	AttentionBackward(dqkv, dy, qkv, probs []float32, b, t, c, h int)

	// CrossEntropy: losses[m] = -log softmax(logits[m,v])[targets[m]] in nats; target -1 is ignored (loss 0). probs may alias logits.
	CrossEntropy(losses, probs, logits []float32, targets []int32, m, v int)
	// CrossEntropyBackward: dlogits = (probs - onehot(target))·scale; rows with target -1 are zero. dlogits may alias probs.
	CrossEntropyBackward(dlogits, probs []float32, targets []int32, scale float32, m, v int)

	// Add: dst = a + b (dst may alias either). Scale: x *= s. Zero: x = 0.
	Add(dst, a, b []float32)
	Scale(x []float32, s float32)
	Zero(x []float32)
	// SumSquares returns Σx² accumulated in float64 in a fixed order.
	SumSquares(x []float32) float64
	// AdamW updates p, m, v in place with gradient g multiplied by h.GradScale first (Loshchilov & Hutter 2019, decoupled decay).
	AdamW(p, m, v, g []float32, h AdamW)
}

// AdamW holds one step's hyper-parameters. Step counts from 1 (bias correction).
type AdamW struct {
	LR, Beta1, Beta2, Eps, WeightDecay, GradScale float32
	Step                                          int
}

// Info tells what the arithmetic runs on, for a run's record.
type Info struct {
	Kind    string `json:"kind"`    // "cpu"
	Name    string `json:"name"`    // processor or GPU model, as the system names it
	Kernels string `json:"kernels"` // "avx512", "avx2", "go", "reference"
	Threads int    `json:"threads"`
}
