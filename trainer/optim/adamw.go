package optim

import (
	"fmt"
	"io"
	"math"

	"millrace/trainer/engine"
	"millrace/trainer/model/safetensors"
)

// AdamW is the optimizer's state: two moments of every parameter's gradient. Weight decay applies to matrices (parameters of
// two dimensions, so also to embeddings), not to biases and gains, as in nanoGPT.
type AdamW struct {
	config Config
	k      engine.Kernels
	params []*engine.Parameter
	m, v   [][]float32
}

// New makes an optimizer of the parameters, which must have gradients, with zero moments.
func New(c Config, k engine.Kernels, params []*engine.Parameter) (*AdamW, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	o := &AdamW{config: c, k: k, params: params}
	for _, p := range params {
		if p.Grad == nil {
			return nil, fmt.Errorf("optim: %s has no gradient to learn from", p.Name)
		}
		o.m = append(o.m, k.Alloc(len(p.Value)))
		o.v = append(o.v, k.Alloc(len(p.Value)))
	}
	return o, nil
}

// ZeroGrad clears every gradient.
func (o *AdamW) ZeroGrad() {
	for _, p := range o.params {
		o.k.Zero(p.Grad)
	}
}

// GradNorm is the Euclidean norm of all gradients together, summed in float64 in the order of the parameters.
func (o *AdamW) GradNorm() float64 {
	total := 0.0
	for _, p := range o.params {
		total += o.k.SumSquares(p.Grad)
	}
	return math.Sqrt(total)
}

// Step updates every parameter. step counts from 1; rate is the schedule's factor; norm is GradNorm's result, and gradients
// are scaled so that it is at most clip (0: not clipped).
func (o *AdamW) Step(step int64, rate, norm, clip float64) {
	scale := 1.0
	if clip > 0 && norm > clip {
		scale = clip / norm
	}
	h := engine.AdamW{
		LR: float32(o.config.LR * rate), Beta1: float32(o.config.Beta1), Beta2: float32(o.config.Beta2),
		Eps: float32(o.config.Eps), GradScale: float32(scale), Step: int(step),
	}
	for i, p := range o.params {
		h.WeightDecay = 0
		if len(p.Shape) >= 2 {
			h.WeightDecay = float32(o.config.WeightDecay)
		}
		o.k.AdamW(p.Value, o.m[i], o.v[i], p.Grad, h)
	}
}

// File is the state as safetensors, the moments named exp_avg.<parameter> and exp_avg_sq.<parameter> as PyTorch names them.
func (o *AdamW) File() safetensors.File {
	f := safetensors.File{Metadata: map[string]string{"format": "pt"}, Download: o.k.Download}
	for i, p := range o.params {
		f.Tensors = append(f.Tensors,
			safetensors.Tensor{Name: "exp_avg." + p.Name, Shape: p.Shape, Data: o.m[i]},
			safetensors.Tensor{Name: "exp_avg_sq." + p.Name, Shape: p.Shape, Data: o.v[i]})
	}
	return f
}

// Load replaces the state by that of a file which File wrote for the same parameters.
func (o *AdamW) Load(r io.Reader) error {
	f, err := safetensors.NewReader(r)
	if err != nil {
		return fmt.Errorf("optim: %w", err)
	}
	want := o.File().Tensors
	if len(f.Entries) != len(want) {
		return fmt.Errorf("optim: the file has %d tensors, this model's state has %d", len(f.Entries), len(want))
	}
	for i, e := range f.Entries {
		if e.Name != want[i].Name || e.Elements() != len(want[i].Data) {
			return fmt.Errorf("optim: the file has %s %v where %s %v belongs", e.Name, e.Shape, want[i].Name, want[i].Shape)
		}
		if err := f.Next(want[i].Data, o.k.Upload); err != nil {
			return fmt.Errorf("optim: %w", err)
		}
	}
	if err := f.Next(nil, nil); err != io.EOF {
		return fmt.Errorf("optim: %w", err)
	}
	return nil
}
