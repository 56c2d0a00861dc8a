package trainer

import (
	"math"

	"millrace/trainer/data"
	"millrace/trainer/model"
	"millrace/trainer/random"
)

// preference is direct preference optimization (Rafailov et al. 2023, equation 7): with h = β·((ln π(y⁺) - ln ref(y⁺)) - (ln π(y⁻) -
// ln ref(y⁻))) of the chosen y⁺ and the rejected y⁻ the loss of a pair is -ln σ(h), or with label smoothing ε -(1-ε)·ln σ(h) -
// ε·ln σ(-h) (Mitchell 2023). The reference is the base; its opinion of every pair is asked once, before the first step, and again by a
// resumed training.
type preference struct {
	dealer
	pairs          []data.Pair
	reference      [][2]float64 // ln of the answers' probabilities, of chosen and rejected, by the base
	batch          *model.Batch // rows 2i and 2i+1 are the answers of pair i
	t              int
	train          bool
	beta, smoothed float64
	rows           []int   // which pair each is; -1 is none
	loss           float64 // of the last run
	asking         bool    // the base is asked: answers are kept as reference
	sum            rewards // since measures
}

// rewards are sums over pairs.
type rewards struct{ n, margin, accuracy, chosen, rejected float64 }

func newPreference(c Config, m *model.Model, pairs []data.Pair, longest int, train bool) (*preference, error) {
	d, err := newDealer(c, len(pairs), train)
	if err != nil {
		return nil, err
	}
	o := &preference{
		dealer: d, pairs: pairs, reference: make([][2]float64, len(pairs)), t: roundLength(longest-1, c.Model.Context), train: train,
		beta: c.Finetune.Beta, smoothed: c.Finetune.LabelSmoothing, rows: make([]int, c.BatchSize),
	}
	if train {
		o.batch, err = m.Weighed(2*c.BatchSize, o.t, o.weigh)
	} else {
		o.batch, err = m.Evaluation(2*c.BatchSize, o.t)
	}
	return o, err
}

// longest is the number of ids of the longest answer with its prompt.
func longest(pairs []data.Pair) int {
	most := 0
	for _, p := range pairs {
		most = max(most, len(p.Chosen.IDs), len(p.Rejected.IDs))
	}
	return most
}

func (o *preference) samples() int64               { return int64(len(o.pairs)) }
func (o *preference) counted(int64) (int64, error) { return 1, nil }

func (o *preference) fill(row int, i int64) error {
	if row == 0 {
		o.batch.SetRun(random.Mix(o.drops, uint64(i)))
	}
	o.put(row, o.at(i))
	return nil
}

func (o *preference) put(row, pair int) {
	o.rows[row] = pair
	for side, a := range []data.Answered{o.pairs[pair].Chosen, o.pairs[pair].Rejected} {
		from, to := (2*row+side)*o.t, (2*row+side+1)*o.t
		a.Targets(o.batch.IDs[from:to], o.batch.Targets[from:to])
	}
}

func (o *preference) clear(row int) {
	o.rows[row] = -1
	clear(o.batch.IDs[2*row*o.t : (2*row+2)*o.t])
	for i := 2 * row * o.t; i < (2*row+2)*o.t; i++ {
		o.batch.Targets[i] = -1
	}
}

func (o *preference) run(scale float32) (float64, error) {
	o.loss = 0
	if _, err := o.batch.Run(scale); err != nil {
		return 0, err
	}
	if !o.train {
		o.weigh(o.batch.Losses(), make([]float32, 2*len(o.rows)))
	}
	return o.loss, nil
}

// weigh makes the pairs' losses of those of every token, and their derivatives by the answers' losses, which are -ln π.
func (o *preference) weigh(losses, weights []float32) {
	clear(weights)
	for row, pair := range o.rows {
		if pair < 0 {
			continue
		}
		var answer [2]float64
		for side := range answer {
			for _, l := range losses[(2*row+side)*o.t : (2*row+side+1)*o.t] {
				answer[side] -= float64(l)
			}
		}
		if o.asking {
			o.reference[pair] = answer
			continue
		}
		ref := o.reference[pair]
		chosen, rejected := o.beta*(answer[0]-ref[0]), o.beta*(answer[1]-ref[1])
		loss, slope := dpo(chosen-rejected, o.smoothed)
		o.loss += loss
		weights[2*row], weights[2*row+1] = float32(-o.beta*slope), float32(o.beta*slope)
		o.sum.n++
		o.sum.margin += chosen - rejected
		o.sum.chosen += chosen
		o.sum.rejected += rejected
		if chosen > rejected {
			o.sum.accuracy++
		}
	}
}

// dpo is the loss of a pair at a margin, and its derivative.
func dpo(margin, smoothed float64) (loss, slope float64) {
	// ln(1+exp(x)) without overflow.
	softplus := func(x float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) }
	sigmoid := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	loss = (1-smoothed)*softplus(-margin) + smoothed*softplus(margin)
	return loss, -(1-smoothed)*sigmoid(-margin) + smoothed*sigmoid(margin)
}

// refer asks the model, which is the base still, for its opinion of every pair, with nothing dropped.
func (o *preference) refer(m *model.Model, heldOut *heldOut) error {
	for _, p := range []*preference{o, heldOut.preference()} {
		if p == nil {
			continue
		}
		asked, err := m.Evaluation(2*len(p.rows), p.t)
		if err != nil {
			return err
		}
		batch, train := p.batch, p.train
		p.batch, p.train, p.asking = asked, false, true
		for first := 0; first < len(p.pairs); first += len(p.rows) {
			for row := range p.rows {
				if first+row < len(p.pairs) {
					p.put(row, first+row)
				} else {
					p.clear(row)
				}
			}
			if _, err := p.run(0); err != nil {
				return err
			}
		}
		p.batch, p.train, p.asking = batch, train, false
	}
	return nil
}

// preference is the held-out objective, if it is of preferences.
func (h *heldOut) preference() *preference {
	if h == nil {
		return nil
	}
	p, _ := h.objective.(*preference)
	return p
}

// measures are the implicit rewards, β·(ln π - ln ref): their mean margin, and how often the chosen answer has the greater.
func (o *preference) measures() []Point {
	s := o.sum
	if s.n == 0 {
		return nil
	}
	o.sum = rewards{}
	return []Point{
		{"reward_margin", s.margin / s.n}, {"accuracy", s.accuracy / s.n}, {"reward_chosen", s.chosen / s.n}, {"reward_rejected", s.rejected / s.n},
	}
}
