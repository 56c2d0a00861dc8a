package view

import (
	"millrace/cost"
	"millrace/event"
	"millrace/storage/readmodel"
)

// Cost is a bill with the devices it is for.
type Cost struct {
	cost.Bill
	Devices []DeviceSpent
}

// DeviceDollars are for device-hours.
func (c Cost) DeviceDollars() float64 { return c.Bill.Devices }

// EnergyDollars are for energy, where priced apart.
func (c Cost) EnergyDollars() float64 { return c.Energy }

// StorageDollars are for what was stored, as long as it has been.
func (c Cost) StorageDollars() float64 { return c.Storage }

// StorageDollarsPerMonth are for keeping what is there another month.
func (c Cost) StorageDollarsPerMonth() float64 { return c.PerMonth }

// Joules is nil when no device tells.
func (c Cost) Joules() *float64 {
	if !c.JoulesKnown {
		return nil
	}
	return &c.Bill.Joules
}

// DeviceSpent is what was spent on one kind of device.
type DeviceSpent struct {
	Kind, Name string
	Count      int
	Seconds    float64
	Joules     *event.Number
}

// Price is one line of the price book.
type Price struct {
	Device                           string
	PerHour, PerHourLow, PerHourHigh float64
	PerKwh, Pue, PerGbMonth          float64
	PeakFlops                        float64
	Memory, Watts, ServerWatts       float64
	Purchase                         *cost.Range
	From, Source                     string
}

// ShapeInput is a model's dimensions as somebody gives them.
type ShapeInput struct {
	Kind                                     string
	Vocab, DModel, NLayer, EncoderLayers     int
	NHead, KvHeads, HeadDim, Hidden, Context int
	Gated, Tied, Bias                        bool
	Positions, Norm                          string
}

// Plans are what laws advise for a budget.
type Plans struct {
	Budget *cost.Range
	Plans  []cost.Plan
	Curve  []cost.Plan
}

// TrainedPoint is a run as a point of a fit.
type TrainedPoint struct {
	Run event.RunID
	cost.Trained
}

// LossFit is a law of one's own runs, or why there is none.
type LossFit struct {
	Points         []TrainedPoint
	Refused        *string
	Law, Low, High *cost.Parametric
	Error          *float64
	Predicted      *cost.Range
	Near           *bool
}

// Forecast is a run's end.
type Forecast struct{ readmodel.Forecast }

// Joules is nil when no device tells.
func (f Forecast) Joules() *float64 {
	if f.Forecast.Joules <= 0 {
		return nil
	}
	return &f.Forecast.Joules
}

// BudgetLeft is what a budget leaves.
type BudgetLeft struct {
	Dollars, DeviceSeconds *float64
	Spent                  float64
}
