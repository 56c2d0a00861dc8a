package trainer

import (
	"millrace/trainer/data"
	"millrace/trainer/model"
	"millrace/trainer/random"
)

// translate is the writing of a target from its source, by an encoder-decoder: a step's loss is the mean over the targets' tokens, their ends
// included. Sources and targets are padded to the longest of all; padding is neither looked at nor counted.
type translate struct {
	dealer
	pairs     []data.Translation
	batch     *model.Batch
	source, t int // length of a row
}

func newTranslate(c Config, m *model.Model, pairs []data.Translation, source, target int, train bool) (*translate, error) {
	d, err := newDealer(c, len(pairs), train)
	if err != nil {
		return nil, err
	}
	o := &translate{dealer: d, pairs: pairs, source: roundLength(source, c.Model.Context), t: roundLength(target, c.Model.Context)}
	shape := model.Shape{Sequences: c.BatchSize, Tokens: o.t, Source: o.source}
	if train {
		o.batch, err = m.BatchOf(shape)
	} else {
		o.batch, err = m.EvaluationOf(shape)
	}
	return o, err
}

// longestOf are the numbers of ids of the longest source and the longest target.
func longestOf(sets ...[]data.Translation) (source, target int) {
	for _, pairs := range sets {
		for _, p := range pairs {
			source, target = max(source, len(p.Source)), max(target, len(p.Target))
		}
	}
	return source, target
}

func (o *translate) samples() int64                     { return int64(len(o.pairs)) }
func (o *translate) counted(i int64) (int64, error)     { return int64(len(o.pairs[o.at(i)].Target)), nil }
func (o *translate) run(scale float32) (float64, error) { return o.batch.Run(scale) }

func (o *translate) fill(row int, i int64) error {
	if row == 0 {
		o.batch.SetRun(random.Mix(o.drops, uint64(i)))
	}
	p := o.pairs[o.at(i)]
	o.put(row, p.Source, p.Target)
	return nil
}

// clear leaves a row with a source of one token, since none cannot be looked at.
func (o *translate) clear(row int) { o.put(row, []int32{model.StartToken}, nil) }

func (o *translate) put(row int, source, target []int32) {
	from := o.batch.EncoderIDs[row*o.source : (row+1)*o.source]
	clear(from[copy(from, source):])
	o.batch.EncoderLengths[row] = int32(len(source))
	ids, targets := o.batch.IDs[row*o.t:(row+1)*o.t], o.batch.Targets[row*o.t:(row+1)*o.t]
	clear(ids)
	ids[0] = model.StartToken
	copy(ids[1:], target)
	for i := copy(targets, target); i < o.t; i++ {
		targets[i] = -1
	}
}
