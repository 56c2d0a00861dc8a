package trainer

import (
	"millrace/trainer/data"
	"millrace/trainer/model"
)

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

// next is the prediction of the next token of consecutive text.
type next struct {
	windows *data.Sampler
	batch   *model.Batch
	t       int
}

func newNext(c Config, m *model.Model, text data.Tokens, order string, batch func(b, t int) (*model.Batch, error)) (objective, error) {
	w, err := data.NewSampler(text, c.Model.Context, order, c.Seed)
	if err != nil {
		return nil, err
	}
	b, err := batch(c.BatchSize, c.Model.Context)
	if err != nil {
		return nil, err
	}
	return &next{w, b, c.Model.Context}, nil
}

func (o *next) samples() int64                     { return o.windows.Windows() }
func (o *next) counted(i int64) (int64, error)     { return o.windows.Counted(i) }
func (o *next) run(scale float32) (float64, error) { return o.batch.Run(scale) }

func (o *next) fill(row int, i int64) error {
	return o.windows.Sample(o.batch.IDs[row*o.t:(row+1)*o.t], o.batch.Targets[row*o.t:(row+1)*o.t], i)
}

func (o *next) clear(row int) {
	clear(o.batch.IDs[row*o.t : (row+1)*o.t])
	for p := range o.t {
		o.batch.Targets[row*o.t+p] = -1
	}
}
