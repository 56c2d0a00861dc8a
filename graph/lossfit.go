package graph

import (
	"context"
	"errors"
	"math"

	"millrace/cost"
	"millrace/event"
	"millrace/graph/internal/gen"
	"millrace/graph/internal/view"
	"millrace/storage/readmodel"
	"millrace/storage/readmodel/where"
)

// mostFitted bounds the runs of a fit: it takes time in proportion.
const mostFitted = 500

// lossFit fits a law to the training runs that an input chooses, or says why it cannot. Runs that were forked or fine-tuned do not
// count: their loss is not that of their own tokens alone.
func (r *resolver) lossFit(ctx context.Context, in gen.LossFitInput) (*view.LossFit, error) {
	keeps, err := r.picked(in.Filter, in.Where)
	if err != nil {
		return nil, err
	}
	all := where.And{keeps, oneOf(where.Field{Name: where.Kind}, []event.RunKind{event.Train})}
	if in.Experiment != nil {
		x, err := r.Model.Experiment(event.ExperimentID(*in.Experiment))
		if err != nil {
			return nil, err
		}
		all = append(all, within(x.ID))
	}
	ids, err := r.Model.MatchingRuns(ctx, all)
	if err != nil {
		return nil, err
	}
	losses, err := r.lastOf("val/loss")
	if err != nil {
		return nil, err
	}
	tokens, err := r.lastOf("tokens")
	if err != nil {
		return nil, err
	}
	out := &view.LossFit{Points: []view.TrainedPoint{}}
	for _, id := range ids {
		loss, trained := losses[id], tokens[id]
		if loss == nil || trained == nil || math.IsNaN(*loss) || math.IsInf(*loss, 0) {
			continue
		}
		run, err := r.Model.Run(id)
		if errors.Is(err, readmodel.ErrNotFound) { // deleted meanwhile
			continue
		}
		if err != nil {
			return nil, err
		}
		shape, ok := r.shapeOf(run)
		if !ok || run.Branch != nil {
			continue
		}
		n, err := shape.Parameters()
		if err != nil {
			return nil, err
		}
		out.Points = append(out.Points, view.TrainedPoint{Run: id, Trained: cost.Trained{Params: float64(n.Total), Tokens: *trained, Loss: *loss}})
		if len(out.Points) == mostFitted {
			break
		}
	}
	runs := make([]cost.Trained, len(out.Points))
	for i, p := range out.Points {
		runs[i] = p.Trained
	}
	fit, err := cost.Fit(runs)
	if errors.Is(err, cost.ErrTooFew) || errors.Is(err, cost.ErrTooNarrow) {
		out.Refused = ptr(err.Error()[len("cost: "):])
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	out.Law, out.Low, out.High, out.Error = &fit.Parametric, &fit.Low, &fit.High, &fit.Error
	if in.Params != nil && in.Tokens != nil {
		if !(*in.Params > 0) || !(*in.Tokens > 0) {
			return nil, badInput("params and tokens are above 0")
		}
		out.Predicted, out.Near = ptr(fit.Within(*in.Params, *in.Tokens)), ptr(fit.Seen(*in.Params, *in.Tokens))
	}
	return out, nil
}

// lastOf is the last value of a metric of every run that has it.
func (r *resolver) lastOf(key string) (map[event.RunID]*float64, error) {
	infos, err := r.Model.LastValues(key)
	if err != nil {
		return nil, err
	}
	out, steps := make(map[event.RunID]*float64, len(infos)), map[event.RunID]int64{}
	for i := range infos {
		if of := &infos[i]; out[of.Run] == nil || of.LastStep > steps[of.Run] { // of several writers the one that went on
			out[of.Run], steps[of.Run] = &of.Last, of.LastStep
		}
	}
	return out, nil
}
