package graph

import (
	"errors"
	"time"

	"millrace/cost"
	"millrace/event"
	"millrace/graph/internal/view"
	"millrace/storage/readmodel"
)

// runCost is what a run has spent.
func (r *resolver) runCost(run *view.Run) (*view.Cost, error) {
	bill, err := r.Model.RunCost(run.ID, r.Now())
	if err != nil && !errors.Is(err, readmodel.ErrNotFound) { // deleted meanwhile: it has cost what was read
		return nil, err
	}
	return showCost(bill, readmodel.ByDevice(run.Spent)), nil
}

// experimentCost is what all runs of an experiment have spent, archived ones too.
func (r *resolver) experimentCost(x *view.Experiment) (*view.Cost, error) {
	bill, err := r.Model.ExperimentCost(x.ID, r.Now())
	if err != nil {
		return nil, err
	}
	devices, err := r.Model.ExperimentDevices(x.ID)
	return showCost(bill, devices), err
}

// showCost shows what was spent by device.
func showCost(bill cost.Bill, spent []readmodel.DeviceSpending) *view.Cost {
	out := &view.Cost{Bill: bill}
	if out.Bill.Unpriced == nil {
		out.Bill.Unpriced = []string{}
	}
	for _, s := range spent {
		d := view.DeviceSpent{Kind: s.Device.Kind, Name: s.Device.Name, Count: s.Device.Count, Seconds: s.Seconds}
		if s.Joules >= 0 {
			d.Joules = ptr(event.Number(s.Joules))
		}
		out.Devices = append(out.Devices, d)
	}
	return out
}

// forecast foretells a run's end, nil where nobody can.
func (r *resolver) forecast(run *view.Run) (*view.Forecast, error) {
	f, ok, err := r.Model.Forecast(run.ID)
	if errors.Is(err, readmodel.ErrNotFound) || err == nil && !ok {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &view.Forecast{Forecast: f}, nil
}

// budgetLeft is what a bill leaves of a budget, nil without one.
func budgetLeft(b *event.Budget, bill cost.Bill) *view.BudgetLeft {
	if b == nil || b.Dollars <= 0 && b.DeviceSeconds <= 0 {
		return nil
	}
	var left view.BudgetLeft
	if d := float64(b.Dollars); d > 0 {
		left.Dollars, left.Spent = ptr(d-bill.Dollars), bill.Dollars/d
	}
	if s := float64(b.DeviceSeconds); s > 0 {
		left.DeviceSeconds, left.Spent = ptr(s-bill.DeviceSeconds), max(left.Spent, bill.DeviceSeconds/s)
	}
	return &left
}

// price shows one line of the book.
func price(p cost.Price) view.Price {
	out := view.Price{
		Device: p.Device, PerHour: p.PerHour, PerHourLow: p.PerHourLow, PerHourHigh: p.PerHourHigh,
		PerKwh: p.PerKWh, Pue: p.PUE, PerGbMonth: p.PerGBMonth,
		PeakFlops: p.PeakFLOPs, Memory: p.Memory, Watts: p.Watts, ServerWatts: p.ServerWatts,
		From: p.From.UTC().Format(time.DateOnly), Source: p.Source,
	}
	if p.Purchase.Known() {
		out.Purchase = &p.Purchase
	}
	return out
}

// priceLine is a wish's line of the book, or what is wrong with it.
func priceLine(set event.PriceSet) (cost.Price, error) {
	line, err := readmodel.PriceLine(set)
	switch {
	case errors.Is(err, readmodel.ErrBadDate):
		return line, refusal{code: "INVALID", message: err.Error(), field: []string{"from"}}
	case err != nil:
		return line, refusal{code: "INVALID", message: err.Error(), field: []string{"device"}}
	}
	return line, nil
}
