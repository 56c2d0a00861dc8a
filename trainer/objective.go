package trainer

// objective is what a training learns: it turns samples of a text into micro-batches and computes their loss. A sample is a function of
// its number, counted from 0 over the whole training, so that a resumed training repeats it. Used by one goroutine.
type objective interface {
	// samples is how many different samples the text has.
	samples() int64
	// counted is how many targets of a sample count in the loss.
	counted(i int64) (int64, error)
	// fill makes a row of the micro-batch the i-th sample, clear one without a target that counts.
	fill(row int, i int64) error
	clear(row int)
	// run computes the sum of the losses of the micro-batch and, when training, adds scale times its gradient to the parameters'.
	run(scale float32) (float64, error)
}
