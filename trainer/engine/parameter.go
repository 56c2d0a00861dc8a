package engine

// Parameter is a named weight and its gradient, both in device memory, row-major.
//
// Grad has the length of Value, or is nil where the weight is not trained; a program built without gradients ignores it.
// Programs hold the parameter, not a copy: an optimizer's change of Value is seen by the next Run of every program.
type Parameter struct {
	Name  string
	Shape []int
	Value []float32
	Grad  []float32
}

// NewParameter allocates a zeroed parameter on k, with a gradient if trained.
func NewParameter(k Kernels, name string, trained bool, shape ...int) *Parameter {
	n := 1
	for _, d := range shape {
		n *= d
	}
	p := &Parameter{Name: name, Shape: shape, Value: k.Alloc(n)}
	if trained {
		p.Grad = k.Alloc(n)
	}
	return p
}

// matrix returns the parameter's shape as rows and columns: a vector is one row.
func (p *Parameter) matrix() (rows, cols int) {
	rows, cols = 1, 1
	for i, d := range p.Shape {
		if i == len(p.Shape)-1 {
			cols = d
		} else {
			rows *= d
		}
	}
	return rows, cols
}

// values and gradient are safe on an absent (nil) parameter, as kernels skip nil slices.
func (p *Parameter) values() []float32 {
	if p == nil {
		return nil
	}
	return p.Value
}

func (p *Parameter) gradient() []float32 {
	if p == nil {
		return nil
	}
	return p.Grad
}
