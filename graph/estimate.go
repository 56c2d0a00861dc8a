package graph

import (
	"errors"

	"millrace/cost"
	"millrace/event"
	"millrace/graph/internal/gen"
	"millrace/graph/internal/view"
	"millrace/storage/readmodel"
)

// reckoned turns an error of arithmetic into one that whoever asked can mend.
func reckoned(err error) error {
	for _, mine := range []error{cost.ErrBadAsk, cost.ErrBadShape, cost.ErrBadPrice, cost.ErrNoPlan, cost.ErrNeverEven, cost.ErrNoDevice} {
		if errors.Is(err, mine) {
			return badInput("%s", err.Error()[len("cost: "):])
		}
	}
	return err
}

// device is the book's line for a name; the H100's when there is none.
func (r *resolver) device(name *string) (cost.Price, error) {
	p, err := r.Model.Book().Named(or(deref(name), "H100"), r.Now())
	return p, reckoned(err)
}

// or is s, or otherwise when s is empty.
func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// exactly is a range of what was given, nothing when nothing was.
func exactly(v *float64) cost.Range {
	if v == nil {
		return cost.Range{}
	}
	return cost.Exactly(*v)
}

// ask makes of an input what the arithmetic asks.
func (r *resolver) ask(in gen.CostEstimateInput) (cost.Ask, error) {
	a := cost.Ask{Params: deref(in.Params), Tokens: deref(in.Tokens), Context: deref(in.Context), Count: deref(in.Count), MFU: exactly(in.Mfu), Rent: exactly(in.RentPerHour)}
	var err error
	if a.Device, err = r.device(in.Device); err != nil {
		return a, err
	}
	if in.DevicePrice != nil {
		a.Device.Purchase = cost.Exactly(*in.DevicePrice)
	}
	if in.PerMwh != nil {
		a.Power = cost.PowerOf(a.Device.Hardware)
		a.Power.PerMWh = cost.Exactly(*in.PerMwh)
	}
	a.Team = cost.Team{People: deref(in.People), Months: deref(in.Months)}
	named := 0
	for _, given := range []bool{in.Preset != nil, in.Shape != nil, in.Run != nil, in.Params != nil} {
		if given {
			named++
		}
	}
	if named != 1 {
		return a, badInput("give one of preset, shape, run and params: it names the model")
	}
	switch {
	case in.Preset != nil:
		s, err := cost.Preset(*in.Preset)
		if err != nil {
			return a, reckoned(err)
		}
		a.Shape = &s
	case in.Shape != nil:
		a.Shape = &cost.Shape{
			Kind: cost.Kind(in.Shape.Kind), Vocab: in.Shape.Vocab, DModel: in.Shape.DModel, NLayer: in.Shape.NLayer, EncoderLayers: in.Shape.EncoderLayers,
			NHead: in.Shape.NHead, KVHeads: in.Shape.KvHeads, HeadDim: in.Shape.HeadDim, Hidden: in.Shape.Hidden, Gated: in.Shape.Gated, Tied: in.Shape.Tied,
			Positions: cost.Position(in.Shape.Positions), Context: in.Shape.Context, Norm: cost.Norm(in.Shape.Norm), Bias: in.Shape.Bias,
		}
	case in.Run != nil:
		run, err := r.Model.Run(event.RunID(*in.Run))
		if errors.Is(err, readmodel.ErrNotFound) {
			return a, notFound("there is no run %q", *in.Run)
		}
		if err != nil {
			return a, err
		}
		s, ok := r.shapeOf(run)
		if !ok {
			return a, badInput("run %q has no model that is known in its configuration", *in.Run)
		}
		a.Shape = &s
	}
	return a, nil
}

// shapeOf is the model in a run's configuration as the trainer writes it. A vocabulary that was left to the tokenizer is its dataset's.
func (r *resolver) shapeOf(run readmodel.Run) (cost.Shape, bool) {
	s, ok := cost.OfConfig(run.Spec.Config)
	if !ok {
		return s, false
	}
	for _, in := range run.Spec.Inputs {
		if s.Vocab == 0 && in.Role == "dataset" {
			if d, err := r.Model.Dataset(in.Digest); err == nil {
				s.Vocab = d.VocabSize
			}
		}
	}
	s.Name = run.Name
	s, err := s.Filled()
	return s, err == nil
}

// curvePoints is how many budgets a curve has.
const curvePoints = 201

// plans advises a size.
func (r *resolver) plans(in gen.CostPlanInput) (*view.Plans, error) {
	wishes := 0
	for _, given := range []bool{in.Flops != nil, in.Dollars != nil || in.DeviceHours != nil, in.Params != nil, in.Loss != nil} {
		if given {
			wishes++
		}
	}
	if wishes != 1 {
		return nil, badInput("give one of flops, dollars or deviceHours, params and loss: it says what is planned for")
	}
	out := &view.Plans{Plans: []cost.Plan{}, Curve: []cost.Plan{}}
	plan := func(law cost.Law) (cost.Plan, error) {
		switch {
		case in.Params != nil:
			return cost.ForParams(law, *in.Params)
		case in.Loss != nil:
			return cost.ForLoss(law, *in.Loss)
		}
		return cost.For(law, out.Budget.Typical)
	}
	switch {
	case in.Flops != nil:
		out.Budget = ptr(cost.Exactly(*in.Flops))
	case in.Dollars != nil || in.DeviceHours != nil:
		device, err := r.device(in.Device)
		if err != nil {
			return nil, err
		}
		budget, err := cost.Ask{Device: device, MFU: exactly(in.Mfu), Rent: exactly(in.RentPerHour)}.Budget(deref(in.Dollars), deref(in.DeviceHours))
		if err != nil {
			return nil, reckoned(err)
		}
		out.Budget = &budget
	}
	var first error
	for _, law := range cost.Laws() {
		p, err := plan(law)
		if err != nil {
			if first == nil {
				first = err
			}
			continue // Kaplan's law, say, has no floor, and another one has
		}
		out.Plans = append(out.Plans, p)
	}
	if len(out.Plans) == 0 {
		return nil, reckoned(first)
	}
	out.Curve = cost.Curve(cost.Epoch(), out.Plans[0].FLOPs, 100, curvePoints)
	return out, nil
}

// options compares ways to have a model.
func (r *resolver) options(in gen.CostOptionsInput) (*cost.Decision, error) {
	device, err := r.device(in.Device)
	if err != nil {
		return nil, err
	}
	pretrain, err := cost.Ask{Params: in.Params, Tokens: deref(in.Tokens), Device: device}.Estimate()
	if err != nil {
		return nil, reckoned(err)
	}
	use := cost.Use{TokensPerMonth: in.TokensPerMonth, Months: 12, APIPerMillion: exactly(in.APIPerMillion), Params: in.Params, TuneTokens: 1e8, Device: device, Pretrain: pretrain}
	if in.Months != nil {
		use.Months = *in.Months
	}
	if in.TuneTokens != nil {
		use.TuneTokens = *in.TuneTokens
	}
	d, err := use.Decide()
	if err != nil {
		return nil, reckoned(err)
	}
	return &d, nil
}
