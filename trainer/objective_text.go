package trainer

import (
	"fmt"
	"math"

	"millrace/trainer/data"
	"millrace/trainer/model"
	"millrace/trainer/random"
)

// What is learnt from a text: what the model's kind is for. Config.Objective is "" for each of them.
const (
	objectiveNext   = "next"   // a decoder tells the next token
	objectiveMasked = "masked" // an encoder tells masked tokens
	objectiveSpan   = "span"   // an encoder-decoder writes what was taken out
)

// text is what is learnt from a text, or "" where the objective is another.
func (c Config) text() string {
	if n := c.natural(); c.Objective == "" || c.Objective == n {
		return n
	}
	return ""
}

// natural is what a kind of model learns from a text.
func (c Config) natural() string {
	switch c.Model.Arch.Kind() {
	case model.Encoder:
		return objectiveMasked
	case model.EncoderDecoder:
		return objectiveSpan
	}
	return objectiveNext
}

// Corruption is how much of a text is taken out for a model to tell: of encoders and encoder-decoders.
type Corruption struct {
	Rate       float64 `json:"rate"`                  // share of tokens; 0 chooses 0.15
	MeanLength float64 `json:"mean_length,omitempty"` // of stretches that an encoder-decoder writes, in tokens; 0 chooses 3
}

func (c Config) resolveCorruption() Corruption {
	x := c.Corrupt
	what := c.text()
	if what != objectiveMasked && what != objectiveSpan {
		return x
	}
	if x.Rate == 0 {
		x.Rate = 0.15
	}
	if x.MeanLength == 0 && what == objectiveSpan {
		x.MeanLength = 3
	}
	return x
}

func (c Config) checkCorruption() error {
	x, what := c.Corrupt, c.text()
	switch {
	case what == "":
		if x != (Corruption{}) {
			return fmt.Errorf("corrupt: objective %s is shown its examples whole; leave it out", c.Objective)
		}
		return nil
	case what == objectiveNext && x != (Corruption{}):
		return fmt.Errorf(`corrupt: a decoder is shown its text whole; leave it out, or use model.arch "bert" or "t5"`)
	case what != objectiveNext && !(x.Rate > 0 && x.Rate <= 0.5):
		return fmt.Errorf("corrupt.rate: %g is not a share up to 0.5; use 0.15", x.Rate)
	case what == objectiveMasked && x.MeanLength != 0:
		return fmt.Errorf("corrupt.mean_length: an encoder tells single tokens; leave it out")
	case what == objectiveSpan && !(x.MeanLength >= 1 && x.MeanLength <= 1000):
		return fmt.Errorf("corrupt.mean_length: %g tokens is not between 1 and 1000; use 3", x.MeanLength)
	case what == objectiveSpan && c.Model.Context < 3:
		return fmt.Errorf("model.context: %d is too short for a stretch and its two sentinels", c.Model.Context)
	case what == objectiveSpan && c.spans().Sentinels() >= c.Model.VocabSize:
		return fmt.Errorf("model.vocab_size: %d has no room for %d sentinels", c.Model.VocabSize, c.spans().Sentinels())
	}
	return nil
}

func (c Config) spans() data.Spans {
	return data.NewSpans(c.Model.Context, c.Corrupt.Rate, c.Corrupt.MeanLength, int32(c.Model.VocabSize), c.Seed)
}

// T5's number of sentinels: a model of longer texts has more.
const leastSentinels = 100

// ExtraTokens is how many tokens the model's vocabulary has beside those of its tokenizer, at its end: a mask for an encoder, if the tokenizer
// has none, and sentinels for an encoder-decoder. The Config need not have a vocabulary yet.
func (c Config) ExtraTokens() int {
	switch c.text() {
	case objectiveMasked:
		if c.Model.MaskToken == 0 {
			return 1
		}
	case objectiveSpan:
		c.Corrupt = c.resolveCorruption()
		if c.Model.Context >= 3 && c.Model.Context <= maxTextContext && c.checkRate() {
			return max(leastSentinels, c.spans().Sentinels())
		}
	}
	return 0
}

const maxTextContext = 1 << 20

func (c Config) checkRate() bool {
	return c.Corrupt.Rate > 0 && c.Corrupt.Rate <= 0.5 && c.Corrupt.MeanLength >= 1 && !math.IsInf(c.Corrupt.MeanLength, 0)
}

// window is how many tokens of text a sample shows.
func (c Config) window() int {
	if c.text() == objectiveSpan && c.Model.Context >= 3 && c.checkRate() {
		return c.spans().Window()
	}
	return c.Model.Context
}

// newText makes the objective of a text.
func newText(c Config, m *model.Model, text data.Tokens, order string, train bool) (objective, error) {
	w, err := data.NewSampler(text, c.window(), order, c.Seed)
	if err != nil {
		return nil, err
	}
	o := texts{windows: w, config: c, t: c.Model.Context, drops: random.Key(c.Seed, "dropout")}
	shape, batch := model.Shape{Sequences: c.BatchSize, Tokens: o.t}, m.BatchOf
	if !train {
		batch = m.EvaluationOf
	}
	what := c.text()
	if what == objectiveSpan {
		s := c.spans()
		shape.Tokens, shape.Source = s.Target(), s.Source()
		o.t = shape.Tokens
		if o.batch, err = batch(shape); err != nil {
			return nil, err
		}
		return &spans{o, s, make([]int32, s.Window()), make([]int32, s.Window())}, nil
	}
	if o.batch, err = batch(shape); err != nil {
		return nil, err
	}
	if what == objectiveMasked {
		filled, err := c.Model.Resolve()
		if err != nil {
			return nil, err
		}
		return &cloze{o, data.NewCloze(o.t, c.Corrupt.Rate, int32(filled.MaskToken), int32(c.Model.VocabSize), c.Seed)}, nil
	}
	return &o, nil
}

// texts is the prediction of the next token of consecutive text, and what the others have in common.
type texts struct {
	windows *data.Sampler
	config  Config
	batch   *model.Batch
	t       int // tokens of a row's targets
	drops   uint64
}

func (o *texts) samples() int64                     { return o.windows.Windows() }
func (o *texts) counted(i int64) (int64, error)     { return o.windows.Counted(i) }
func (o *texts) run(scale float32) (float64, error) { return o.batch.Run(scale) }

// rows are the ids and targets of a row. Dropout is drawn by the sample of the first.
func (o *texts) rows(row int, i int64) (ids, targets []int32) {
	if row == 0 {
		o.batch.SetRun(random.Mix(o.drops, uint64(i)))
	}
	return o.batch.IDs[row*o.t : (row+1)*o.t], o.batch.Targets[row*o.t : (row+1)*o.t]
}

func (o *texts) fill(row int, i int64) error {
	ids, targets := o.rows(row, i)
	return o.windows.Sample(ids, targets, i)
}

func (o *texts) clear(row int) {
	clear(o.batch.IDs[row*o.t : (row+1)*o.t])
	for p := range o.t {
		o.batch.Targets[row*o.t+p] = -1
	}
}

// cloze is the telling of masked tokens. Every token of the text may be one: masks of datasets are of conversations.
type cloze struct {
	texts
	cloze data.Cloze
}

func (o *cloze) counted(int64) (int64, error) { return o.cloze.Count(), nil }

func (o *cloze) fill(row int, i int64) error {
	ids, targets := o.rows(row, i)
	if err := o.windows.Sample(ids, targets, i); err != nil {
		return err
	}
	o.cloze.Apply(ids, targets, i)
	return nil
}

// spans is the writing of what was taken out.
type spans struct {
	texts
	spans        data.Spans
	window, rest []int32
}

func (o *spans) counted(int64) (int64, error) { return int64(o.spans.Target()), nil }

func (o *spans) fill(row int, i int64) error {
	ids, targets := o.rows(row, i)
	if err := o.windows.Sample(o.window, o.rest, i); err != nil {
		return err
	}
	n := o.spans.Source()
	o.spans.Apply(o.batch.EncoderIDs[row*n:(row+1)*n], targets, o.window, i)
	ids[0] = model.StartToken
	copy(ids[1:], targets)
	return nil
}
