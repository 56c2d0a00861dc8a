package engine

import (
	"sync/atomic"
	"time"
)

// Parameter is a named weight and its gradient, both in device memory, row-major.
//
// Grad has the length of Value, or is nil where the weight is not trained; a program built without gradients ignores it.
// Programs hold the parameter, not a copy: an optimizer's change of Value is seen by the next Run of every program.
type Parameter struct {
	Name  string
	Shape []int
	Value []float32
	Grad  []float32

	forgotten bool
	change    Change
	owed      atomic.Int32
}

// Change is an update that a parameter is owed: it is made when the parameter is next asked for, or before.
type Change interface {
	Make()
	// MakeRows makes it for some rows of a matrix, in any order, before Make is called for the others.
	MakeRows(rows []int32)
}

// What a parameter is owed.
const (
	owedNothing int32 = iota
	owedChange
	owedWait // somebody is making the change
)

// Owe puts a change off. Programs ask for the parameters they use; whoever else reads or writes Value or Grad calls Await before.
func (p *Parameter) Owe(c Change) {
	p.change = c
	p.owed.Store(owedChange)
}

// Hurry makes the change that is owed, unless somebody else does.
func (p *Parameter) Hurry() {
	if p.owed.CompareAndSwap(owedChange, owedWait) {
		p.change.Make()
		p.owed.Store(owedNothing)
	}
}

// Await returns when nothing is owed. It is safe on an absent (nil) parameter.
func (p *Parameter) Await() {
	if p == nil {
		return
	}
	p.Hurry()
	for tries := 0; p.owed.Load() != owedNothing; tries++ {
		if tries > 1000 {
			time.Sleep(20 * time.Microsecond)
		}
	}
}

// awaitRows returns when nothing is owed to some rows, the only ones that are read.
func (p *Parameter) awaitRows(rows []int32) {
	if p != nil && p.owed.CompareAndSwap(owedChange, owedWait) {
		p.change.MakeRows(rows)
		p.owed.Store(owedChange)
		return
	}
	p.Await()
}

// Forget makes the gradient count as zero: whatever adds to it next overwrites it. Until then, or until Settle, what Grad holds
// means nothing.
func (p *Parameter) Forget() { p.forgotten = p.Grad != nil }

// Settle clears a gradient that was forgotten and to which nothing was added since. It is safe on an absent (nil) parameter.
func (p *Parameter) Settle(k Kernels) {
	if p != nil && p.forgotten {
		p.Await()
		k.Zero(p.Grad)
		p.forgotten = false
	}
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
