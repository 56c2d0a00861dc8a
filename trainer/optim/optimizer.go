package optim

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"sync"

	"millrace/trainer/engine"
	"millrace/trainer/model/safetensors"
)

// Optimizer changes parameters by their gradients. What it keeps is a function of the gradients it was given: File and Load carry it
// to another process, which goes on to the same bits.
type Optimizer struct {
	config  Config
	k       engine.Kernels
	params  []*engine.Parameter
	methods []method      // of each parameter
	kept    [][][]float32 // by parameter and slot

	// Of updates beside the training, see beside.go; nil where the method or the device has none.
	beside        []method
	owed          []owed
	order         []int
	making, hurry func()
	busy          sync.WaitGroup
}

// method is one way of changing a parameter by its gradient.
type method interface {
	// slots names what is kept of a parameter between steps, as PyTorch's optimizer names it where it has it.
	slots() []string
	// update changes p, and kept by the gradient, which it may change too.
	update(p *engine.Parameter, kept [][]float32, s step)
}

// step is what is the same for every parameter of a step, but for the decay.
type step struct {
	number int64   // counts from 1
	lr     float64 // of this step
	decay  float64 // 0 where it does not apply
	scale  float64 // on the gradient: clipping
}

// New makes an optimizer of the parameters, which must have gradients, with zero state.
func New(c Config, k engine.Kernels, params []*engine.Parameter) (*Optimizer, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	o := &Optimizer{config: c, k: k, params: params}
	for _, p := range params {
		if p.Grad == nil {
			return nil, fmt.Errorf("optim: %s has no gradient to learn from", p.Name)
		}
	}
	matrices := c.method(k, params)
	others := matrices
	if c.Name == nameMuon {
		others = adam{c, k, false}
	}
	for _, p := range params {
		m := matrices
		if kindOf(p) != linear {
			m = others
		}
		var kept [][]float32
		for range m.slots() {
			kept = append(kept, k.Alloc(len(p.Value)))
		}
		o.methods, o.kept = append(o.methods, m), append(o.kept, kept)
	}
	o.share()
	return o, nil
}

// share prepares updates beside the training, where the device can and every value's update is its own.
func (o *Optimizer) share() {
	s, ok := o.k.(engine.Sharer)
	if !ok || o.config.Name == nameMuon {
		return
	}
	k := s.Alone()
	if k == nil {
		return
	}
	m := o.config.method(k, o.params)
	for i := range o.params {
		o.beside, o.owed, o.order = append(o.beside, m), append(o.owed, owed{o: o, i: i}), append(o.order, i)
	}
	largest := slices.MaxFunc(o.order, func(i, j int) int { return cmp.Compare(len(o.params[i].Value), len(o.params[j].Value)) })
	o.order = append(slices.Delete(o.order, largest, largest+1), largest)
	o.making = func() {
		defer o.busy.Done()
		s.Beside(o.hurry)
	}
	o.hurry = func() {
		for _, i := range o.order {
			o.params[i].Hurry()
		}
	}
}

// method is what the name says.
func (c Config) method(k engine.Kernels, params []*engine.Parameter) method {
	switch c.Name {
	case nameAdam:
		return adam{c, k, true}
	case nameSGD:
		return sgd{c, k}
	case nameLion:
		return lion{c, k}
	case nameMuon:
		return newMuon(c, k, params)
	}
	return adam{c, k, false}
}

// ZeroGrad makes every gradient count as zero: the first to add to it overwrites it. GradNorm, which comes before Step, clears what nobody
// added to.
func (o *Optimizer) ZeroGrad() {
	for _, p := range o.params {
		p.Forget()
	}
}

// GradNorm is the Euclidean norm of all gradients together, summed in float64 in the order of the parameters.
func (o *Optimizer) GradNorm() float64 {
	total := 0.0
	for _, p := range o.params {
		p.Await()
		p.Settle(o.k)
		total += o.k.SumSquares(p.Grad)
	}
	return math.Sqrt(total)
}

// Update is one step.
type Update struct {
	Step int64   // counts from 1 those that were made
	Rate float64 // the schedule's factor
	// Norm is GradNorm's result. Gradients are scaled so that it is at most Clip; 0 does not clip.
	Norm, Clip float64
	// Scale is what the gradients were multiplied by beforehand and are divided by here; 0 is 1. Norm is without it.
	Scale float64
	// Around, when not nil, is called for every parameter in the place of its update, and calls it.
	Around func(p *engine.Parameter, update func())
	// Later allows updates to be made beside what follows, up to the next GradNorm or Await; not with Around.
	Later bool
}

// Step updates every parameter. The gradients are of no more use after it.
func (o *Optimizer) Step(u Update) {
	s := step{number: u.Step, lr: o.config.LR * u.Rate, scale: 1}
	if u.Clip > 0 && u.Norm > u.Clip {
		s.scale = u.Clip / u.Norm
	}
	if u.Scale != 0 {
		s.scale /= u.Scale
	}
	o.Await()
	later := u.Later && u.Around == nil && o.beside != nil
	for i, p := range o.params {
		p.Settle(o.k)
		s := s
		if o.config.decayed(p) {
			s.decay = o.config.WeightDecay
		}
		if later {
			o.owed[i].step = s
			continue
		}
		if u.Around == nil {
			o.methods[i].update(p, o.kept[i], s)
			continue
		}
		u.Around(p, func() { o.methods[i].update(p, o.kept[i], s) })
	}
	if later {
		o.putOff()
	}
}

// File is the state as safetensors: <slot>.<parameter>, by parameter. It sees the state as it is when it is read.
func (o *Optimizer) File() safetensors.File {
	f := safetensors.File{Metadata: map[string]string{"format": "pt"}, Download: o.k.Download}
	for i, p := range o.params {
		for j, slot := range o.methods[i].slots() {
			f.Tensors = append(f.Tensors, safetensors.Tensor{Name: slot + "." + p.Name, Shape: p.Shape, Data: o.kept[i][j]})
		}
	}
	return f
}

// Load replaces the state by that of a file which File wrote for the same parameters and method.
func (o *Optimizer) Load(r io.Reader) error {
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
