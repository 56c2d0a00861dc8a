package engine

import "fmt"

// Precision is what the products of Linear and LinearBackward are computed in. Weights, gradients, sums and everything else
// stay float32.
type Precision string

// The precisions. Of FP16 the contract says this much: its range is small, so the objective is scaled up by what Program.Run
// is given and gradients are scaled down by the optimizer's GradScale; no device of today has it.
const (
	F32  Precision = "f32"
	BF16 Precision = "bf16" // inputs of a product rounded to bfloat16, to nearest even; products summed in float32
	FP16 Precision = "fp16" // the same with IEEE half precision
)

// Activation names an elementwise function.
type Activation string

// The activations, with what x becomes.
const (
	GELU        Activation = "gelu"       // 0.5x(1+tanh(√(2/π)(x+0.044715x³))) (Hendrycks & Gimpel 2016, the approximation)
	GELUExact   Activation = "gelu_exact" // 0.5x(1+erf(x/√2)), the same without approximation
	ReLU        Activation = "relu"       // max(x, 0)
	SiLU        Activation = "silu"       // x/(1+e^-x), also called Swish
	ReLUSquared Activation = "relu2"      // max(x, 0)² (So et al. 2021)
)

// Heads says how a row is cut into attention heads: Q query heads share KV key and value heads, Q/KV to each, all of width
// Dim. KV = Q is multi-head, KV = 1 multi-query and between them grouped-query attention (Ainslie et al. 2023).
type Heads struct{ Q, KV, Dim int }

// Width is the length of a row q|k|v.
func (h Heads) Width() int { return (h.Q + 2*h.KV) * h.Dim }

// Shape says what an attention computes: B sequences of TQ queries on TK keys and values each.
type Shape struct {
	B, TQ, TK int
	Heads     Heads
	// Rows of q and dq, of k, v, dk and dv, and of y and dy are so many values apart. Query t of sequence b is row b·TQ+t.
	QStride, KVStride, YStride int
	Scale                      float32 // of q·k; 0 means 1/√Dim
	// Query i of sequence b is at position Starts[b]+i among the keys, which are at 0, 1, … . Without Starts (nil) the last
	// query is at the last key: TK-TQ+i. Position matters to Causal and Slopes only.
	Starts []int32
	Causal bool // a query sees the keys at positions up to its own
	// Lengths[b] is how many keys of sequence b there are; those behind are not seen. Nil: TK.
	Lengths []int32
	// Slopes[h] times the distance of query and key is subtracted from the scores of query head h (ALiBi: Press, Smith &
	// Lewis 2022). Nil: nothing is.
	Slopes []float32
}

// Seen is how many keys, from the first on, query i of sequence b sees.
func (s Shape) Seen(b, i int) int {
	n := s.TK
	if s.Lengths != nil {
		n = int(s.Lengths[b])
	}
	if s.Causal {
		n = min(n, s.Position(b, i)+1)
	}
	return max(n, 0)
}

// Position is where query i of sequence b is among the keys.
func (s Shape) Position(b, i int) int {
	if s.Starts != nil {
		return int(s.Starts[b]) + i
	}
	return s.TK - s.TQ + i
}

// Check says what is wrong with a shape, or nil.
func (s Shape) Check() error {
	h := s.Heads
	switch {
	case s.B < 1 || s.TQ < 1 || s.TK < 1 || h.Q < 1 || h.KV < 1 || h.Dim < 1:
		return fmt.Errorf("%d sequences of %d queries on %d keys in heads %+v: all must be at least 1", s.B, s.TQ, s.TK, h)
	case h.Q%h.KV != 0:
		return fmt.Errorf("%d query heads cannot share %d key heads evenly", h.Q, h.KV)
	case s.QStride < h.Q*h.Dim || s.KVStride < h.KV*h.Dim || s.YStride < h.Q*h.Dim:
		return fmt.Errorf("rows %d, %d and %d apart are too near for heads %+v", s.QStride, s.KVStride, s.YStride, h)
	case s.Starts != nil && len(s.Starts) != s.B, s.Lengths != nil && len(s.Lengths) != s.B:
		return fmt.Errorf("%d starts and %d lengths for %d sequences", len(s.Starts), len(s.Lengths), s.B)
	case s.Slopes != nil && len(s.Slopes) != h.Q:
		return fmt.Errorf("%d slopes for %d query heads", len(s.Slopes), h.Q)
	}
	for b := range s.Starts {
		if s.Starts[b] < 0 {
			return fmt.Errorf("starts[%d] is %d", b, s.Starts[b])
		}
	}
	for b, n := range s.Lengths {
		if n < 0 || int(n) > s.TK {
			return fmt.Errorf("lengths[%d] is %d of %d keys", b, n, s.TK)
		}
	}
	return nil
}
