package trainer

import (
	"millrace/trainer/data"
	"millrace/trainer/model"
	"millrace/trainer/random"
)

// KeyValAccuracy is the share of held-out texts whose likeliest class is theirs, and of held-out preferences that the model shares.
const KeyValAccuracy = "val/accuracy"

// classify is the prediction of a text's class. Texts are padded to the longest of all, and cut to the context.
type classify struct {
	dealer
	set     data.Labelled
	program *model.Classifier
	t       int
	train   bool
	right   int64 // since measures
	judged  int64
}

func newClassify(c Config, m *model.Model, set data.Labelled, longest int, train bool) (*classify, error) {
	d, err := newDealer(c, len(set.Texts), train)
	if err != nil {
		return nil, err
	}
	o := &classify{dealer: d, set: set, t: roundLength(longest, c.Model.Context), train: train}
	o.program, err = m.Classifier(c.BatchSize, o.t, train)
	return o, err
}

func (o *classify) samples() int64               { return int64(len(o.set.Texts)) }
func (o *classify) counted(int64) (int64, error) { return 1, nil }

func (o *classify) fill(row int, i int64) error {
	if row == 0 {
		o.program.SetRun(random.Mix(o.drops, uint64(i)))
	}
	at := o.at(i)
	ids := o.program.IDs[row*o.t : (row+1)*o.t]
	n := copy(ids, o.set.Texts[at])
	clear(ids[n:])
	o.program.Lengths[row], o.program.Labels[row] = int32(n), o.set.Labels[at]
	return nil
}

func (o *classify) clear(row int) {
	clear(o.program.IDs[row*o.t : (row+1)*o.t])
	o.program.Lengths[row], o.program.Labels[row] = 1, -1
}

func (o *classify) run(scale float32) (float64, error) {
	loss, err := o.program.Run(scale)
	if err != nil || o.train {
		return loss, err
	}
	for row, label := range o.program.Labels {
		if label >= 0 {
			o.judged++
			if o.program.Predicted(row) == label {
				o.right++
			}
		}
	}
	return loss, nil
}

// measures of a training are none: its program keeps no scores.
func (o *classify) measures() []Point {
	if o.judged == 0 {
		return nil
	}
	p := Point{"accuracy", float64(o.right) / float64(o.judged)}
	o.right, o.judged = 0, 0
	return []Point{p}
}
