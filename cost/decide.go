package cost

import (
	"fmt"
	"math"
)

// Use is what a model is wanted for: so many tokens a month, for so many months.
type Use struct {
	TokensPerMonth float64
	Months         float64
	// APIPerMillion is what an API asks for a million tokens, in and out mixed, in US dollars.
	APIPerMillion Range
	// Params of the model that one would serve oneself, and what teaching it takes: Examples are tokens of fine-tuning.
	Params, TuneTokens float64
	// Device to serve and tune on.
	Device Price
	// ServeMFU is the part of the peak that serving reaches: generating is bound by memory.
	ServeMFU Range
	// Pretrain is the estimate of training from scratch; its Team counts there.
	Pretrain Estimate
	// TuneTeam and PretrainTeam are US dollars of people's work.
	TuneTeam, PretrainTeam Range
}

// Option is one way to have a model.
type Option struct {
	Name     string `json:"name"`
	UpFront  Range  `json:"up_front"`
	PerMonth Range  `json:"per_month"`
	Total    Range  `json:"total"` // over the months
	// EvenMonths after which it has cost less than the API; infinite: never.
	EvenMonths Range `json:"even_months"`
}

// Decision is the options side by side.
type Decision struct {
	Options []Option `json:"options"`
	// Cheapest typically, over the months.
	Cheapest string   `json:"cheapest"`
	Assumed  []string `json:"assumed"`
}

// Decide compares an API, a fine-tuned open model served by oneself, and a model trained from scratch, by dollars alone: what the
// text is worth, who may see it and whether an open model is good enough are not in it. Errors: ErrBadAsk.
func (u Use) Decide() (Decision, error) {
	if !(u.TokensPerMonth > 0) || !(u.Months > 0) || math.IsInf(u.TokensPerMonth, 0) || math.IsInf(u.Months, 0) || !(u.Params >= 1) || !(u.TuneTokens >= 0) {
		return Decision{}, fmt.Errorf("cost: %g tokens a month for %g months by %g parameters: want all above 0: %w", u.TokensPerMonth, u.Months, u.Params, ErrBadAsk)
	}
	if !(u.Device.PeakFLOPs > 0) || !(u.Device.Memory > 0) {
		return Decision{}, fmt.Errorf("cost: peak FLOPs and memory of device %q are not known: %w", u.Device.Device, ErrBadAsk)
	}
	var d Decision
	assume := func(format string, args ...any) { d.Assumed = append(d.Assumed, fmt.Sprintf(format, args...)) }
	api, mfu := u.APIPerMillion, u.ServeMFU
	if !api.Known() {
		api = Range{0.2, 1, 5}
		assume("$%.2g to %.2g for a million tokens of an API, in and out mixed", api.Low, api.High)
	}
	if !mfu.Known() {
		mfu = Range{0.05, 0.1, 0.2}
		assume("serving reaches %.0f%% to %.0f%% of the peak, as generating is bound by memory", 100*mfu.Low, 100*mfu.High)
	}
	if mfu.Low <= 0 || mfu.High > 1 {
		return Decision{}, fmt.Errorf("cost: serving at %v of the peak: %w", mfu, ErrBadAsk)
	}
	rent := u.Device.Rent()
	// Serving takes 2N FLOPs a token (Kaplan et al. 2020), and at least the devices that hold the weights, all month.
	held := math.Ceil(2 * u.Params * 1.2 / u.Device.Memory)
	hours := Exactly(2 * u.Params * u.TokensPerMonth / u.Device.PeakFLOPs / 3600).Over(mfu)
	const month = 730.0
	hours = Range{max(hours.Low, held*month), max(hours.Typical, held*month), max(hours.High, held*month)}
	serve := hours.Times(rent)
	assume("serving %s parameters in 16 bits holds at least %.0f device(s) all month, and a fifth more memory than the weights", Short(u.Params), held)
	tune := Exactly(6 * u.Params * u.TuneTokens / u.Device.PeakFLOPs / 3600).Over(UsualMFU()).Times(rent)
	assume("fine-tuning on %s tokens takes 6 FLOPs a parameter and token", Short(u.TuneTokens))
	asked := api.Scale(u.TokensPerMonth / 1e6)
	d.Options = []Option{
		{Name: "prompt an API", PerMonth: asked},
		{Name: "fine-tune an open model", UpFront: tune.Plus(u.TuneTeam), PerMonth: serve},
		{Name: "pretrain from scratch", UpFront: u.Pretrain.Rent.Plus(u.PretrainTeam), PerMonth: serve},
	}
	least := math.Inf(1)
	for i := range d.Options {
		o := &d.Options[i]
		o.Total = o.UpFront.Plus(o.PerMonth.Scale(u.Months))
		if i > 0 {
			o.EvenMonths = Range{
				even(o.UpFront.Low, asked.High-o.PerMonth.Low), even(o.UpFront.Typical, asked.Typical-o.PerMonth.Typical), even(o.UpFront.High, asked.Low-o.PerMonth.High),
			}
		}
		if o.Total.Typical < least {
			least, d.Cheapest = o.Total.Typical, o.Name
		}
	}
	return d, nil
}

// even is after how long savings have paid for what was spent.
func even(spent, saved float64) float64 {
	if saved <= 0 {
		return math.Inf(1)
	}
	return spent / saved
}
