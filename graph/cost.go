package graph

import (
	"errors"
	"fmt"
	"time"

	"millrace/cost"
	"millrace/event"
	"millrace/graph/internal/view"
	"millrace/storage/readmodel"
)

// runCost is what a run has spent.
func (r *resolver) runCost(run *view.Run) (*view.Cost, error) {
	bill, err := r.Model.RunCost(run.ID)
	if err != nil && !errors.Is(err, readmodel.ErrNotFound) { // deleted meanwhile: it has cost what was read
		return nil, err
	}
	return showCost(bill, readmodel.ByDevice(run.Spent)), nil
}

// experimentCost is what all runs of an experiment have spent, archived ones too.
func (r *resolver) experimentCost(x *view.Experiment) (*view.Cost, error) {
	bill, err := r.Model.ExperimentCost(x.ID)
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

// price shows one line of the book.
func price(p cost.Price) view.Price {
	return view.Price{
		Device: p.Device, PerHour: p.PerHour, PerKwh: p.PerKWh, PerGbMonth: p.PerGBMonth,
		From: p.From.UTC().Format(time.DateOnly), Source: p.Source,
	}
}

// priceLine is a wish's line of the book, or what is wrong with it.
func priceLine(set event.PriceSet) (cost.Price, error) {
	from, err := time.Parse(time.DateOnly, set.From)
	if err != nil {
		return cost.Price{}, refusal{code: "INVALID", message: fmt.Sprintf("%q is not a date of the form 2026-11-21", set.From), field: []string{"from"}}
	}
	line := cost.Price{
		Device: set.Device, PerHour: float64(set.PerHour), PerKWh: float64(set.PerKWh), PerGBMonth: float64(set.PerGBMonth),
		From: from, Source: set.Source,
	}
	if err := line.Check(); err != nil {
		return line, refusal{code: "INVALID", message: err.Error(), field: []string{"device"}}
	}
	return line, nil
}
