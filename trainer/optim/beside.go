package optim

import (
	"slices"

	"millrace/trainer/engine"
)

// An update moves every weight with its gradient and its moments once through the processor: memory decides how fast, and a second thread adds
// little. Beside the next step's forward pass, which computes with what is in the cache, it costs one thread and no time of its own. So
// Step may put updates off: each is made by a goroutine beside the training, or by the program that needs the parameter first.

// owed is the update of one parameter that was put off.
type owed struct {
	o    *Optimizer
	i    int
	step step
	rows []int32 // that were made before the others, in order
	// What a method is given.
	values engine.Parameter
	kept   [2][]float32
}

// Make updates what MakeRows has not.
func (w *owed) Make() {
	cols, from := w.cols(), 0
	for _, r := range w.rows {
		w.part(from, int(r)*cols)
		from = (int(r) + 1) * cols
	}
	w.part(from, len(w.o.params[w.i].Value))
	w.rows = w.rows[:0]
}

// cols is the length of a row.
func (w *owed) cols() int {
	shape := w.o.params[w.i].Shape
	return shape[len(shape)-1]
}

// MakeRows updates rows, each once, however often it is named.
func (w *owed) MakeRows(rows []int32) {
	cols, made := w.cols(), len(w.rows)
	for _, r := range rows {
		if _, done := slices.BinarySearch(w.rows[:made], r); !done {
			w.rows = append(w.rows, r)
		}
	}
	fresh := w.rows[made:]
	slices.Sort(fresh)
	fresh = slices.Compact(fresh)
	w.rows = w.rows[:made+len(fresh)]
	for _, r := range fresh {
		w.part(int(r)*cols, (int(r)+1)*cols)
	}
	slices.Sort(w.rows)
}

// part updates values from..to: every value's update is its own.
func (w *owed) part(from, to int) {
	if from >= to {
		return
	}
	p, kept := w.o.params[w.i], w.o.kept[w.i]
	w.values.Value, w.values.Grad = p.Value[from:to], p.Grad[from:to]
	for j, s := range kept {
		w.kept[j] = s[from:to]
	}
	w.o.beside[w.i].update(&w.values, w.kept[:len(kept)], w.step)
}

// putOff owes every parameter its update and has a goroutine make them, the largest last: of a table of tokens the forward pass reads few rows
// at first.
func (o *Optimizer) putOff() {
	for i, p := range o.params {
		p.Owe(&o.owed[i])
	}
	o.busy.Add(1)
	go o.making()
}

// Await returns when every update that was put off is made. Whoever reads parameters or moments by other means than a program calls it
// before.
func (o *Optimizer) Await() {
	for _, p := range slices.Backward(o.params) { // the goroutine comes from the front
		p.Hurry()
	}
	o.busy.Wait()
}
