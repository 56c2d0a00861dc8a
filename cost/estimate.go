package cost

import (
	"errors"
	"fmt"
	"math"
)

// Ask is what an estimate is asked for. Zero fields take what is usual, and Estimate.Assumed says so.
type Ask struct {
	// Shape of the model; nil asks for a size alone (Params).
	Shape  *Shape
	Params float64
	// Tokens to train on; 0: TokensPerParameter each.
	Tokens float64
	// Context is tokens of a sequence; the shape's when 0.
	Context int
	// Device that trains, with its hardware (Book.Device), and how many of them.
	Device Price
	Count  int
	// MFU is the part of the peak that training reaches, by 6N + 12·L·H·Q·T (Chowdhery et al. 2022).
	MFU Range
	// Rent of a device-hour, instead of the book's.
	Rent   Range
	Power  Power
	Buying Buying
	Team   Team
}

// Regime says what happens to tokens when a model grows: two rules of thumb about cost contradict each other because they leave it out.
type Regime string

// The two regimes.
const (
	// FixedTokens: the same text for every size. Ten times the parameters take ten times the FLOPs.
	FixedTokens Regime = "fixed tokens"
	// GrowingTokens: so many tokens a parameter. Ten times the parameters take a hundred times the FLOPs.
	GrowingTokens Regime = "tokens grow with size"
)

// Estimate is the answer. Dollars are US dollars.
type Estimate struct {
	Params             float64 `json:"params"`
	Parts              *Count  `json:"parts,omitempty"` // of a shape
	Tokens             float64 `json:"tokens"`
	TokensPerParameter float64 `json:"tokens_per_parameter"`
	FLOPsPerToken      FLOPs   `json:"flops_per_token"`
	FLOPs              float64 `json:"flops"`
	Regime             Regime  `json:"regime"`
	// Says is the regime as a sentence, with the factors.
	Says string `json:"says"`
	// Loss by Epoch's law, for text and a tokenizer as Chinchilla's.
	Loss float64 `json:"loss"`

	DeviceHours Range `json:"device_hours"`
	Days        Range `json:"days"` // of wall time
	Count       int   `json:"count"`

	Rent     Range     `json:"rent"`
	Energy   *Energy   `json:"energy,omitempty"`   // nil: watts not known
	Purchase *Purchase `json:"purchase,omitempty"` // nil: price not known
	// Own is one run on bought devices: what they lose in value meanwhile, and energy.
	Own *Range `json:"own,omitempty"`
	// Even is nil where nothing can be said, or a purchase never pays.
	Even *Even  `json:"even,omitempty"`
	Team *Range `json:"team,omitempty"` // nil: no team was asked for

	// Training and Serving are bytes on one device, of a shape: batch 1, ZeRO 3 over all devices; one sequence in 16 bits.
	Training *Memory `json:"training,omitempty"`
	Serving  *Memory `json:"serving,omitempty"`
	// Assumed is what was taken because nobody said.
	Assumed []string `json:"assumed"`
}

// ErrBadAsk is returned for an estimate that cannot be made.
var ErrBadAsk = errors.New("bad estimate")

// mostParams, mostTokens and mostCount bound what is asked.
const (
	mostParams = 1e15
	mostTokens = 1e17
	mostCount  = 10_000_000
)

// UsualMFU is what published training runs reach: 0.3 is common, 0.4 good, 0.5 the best (Chowdhery et al. 2022, table 3; later reports).
func UsualMFU() Range { return Range{0.3, 0.4, 0.5} }

// Estimate does the arithmetic. Errors: ErrBadAsk, ErrBadShape, ErrBadPrice.
func (a Ask) Estimate() (Estimate, error) {
	bad := func(format string, args ...any) (Estimate, error) {
		return Estimate{}, fmt.Errorf("cost: "+format+": %w", append(args, ErrBadAsk)...)
	}
	e := Estimate{Params: a.Params, Tokens: a.Tokens, Count: or(a.Count, 1), Assumed: []string{}}
	assume := func(format string, args ...any) { e.Assumed = append(e.Assumed, fmt.Sprintf(format, args...)) }
	if a.Shape != nil {
		s, err := a.Shape.Filled()
		if err != nil {
			return e, err
		}
		parts := s.count()
		e.Parts, e.Params = &parts, float64(parts.Total)
		if e.FLOPsPerToken, err = s.Rule(or(a.Context, s.Context)); err != nil {
			return e, err
		}
	} else {
		e.FLOPsPerToken = flops(2*e.Params, 0)
		assume("6 FLOPs a parameter and token, without attention: no shape was given")
	}
	if !(e.Params >= 1 && e.Params <= mostParams) {
		return bad("%g parameters, want 1 to %g", e.Params, mostParams)
	}
	if a.Context < 0 || a.Context > maxContext {
		return bad("context %d, want 1 to %d", a.Context, maxContext)
	}
	e.Regime = FixedTokens
	if e.Tokens == 0 {
		e.Regime, e.Tokens = GrowingTokens, TokensPerParameter*e.Params
		assume("%d tokens a parameter (Hoffmann et al. 2022)", TokensPerParameter)
	}
	if !(e.Tokens >= 1 && e.Tokens <= mostTokens) {
		return bad("%g tokens, want 1 to %g", e.Tokens, mostTokens)
	}
	if e.Count < 1 || e.Count > mostCount {
		return bad("%d devices, want 1 to %d", e.Count, mostCount)
	}
	e.TokensPerParameter = e.Tokens / e.Params
	e.FLOPs = e.FLOPsPerToken.Training() * e.Tokens
	e.Loss = Epoch().Loss(e.Params, e.Tokens)
	e.Says = e.Regime.sentence(e.Tokens, e.TokensPerParameter)
	if !(a.Device.PeakFLOPs > 0) {
		return bad("the peak FLOPs of device %q are not known; give the book a line with them", a.Device.Device)
	}
	mfu := a.MFU
	if !mfu.Known() {
		mfu = UsualMFU()
		assume("%.0f%% to %.0f%% of the peak reached (MFU)", 100*mfu.Low, 100*mfu.High)
	}
	if err := mfu.check("MFU"); err != nil || mfu.Low <= 0 || mfu.High > 1 {
		return bad("MFU %v, want above 0 and at most 1", mfu)
	}
	e.DeviceHours = Exactly(e.FLOPs / a.Device.PeakFLOPs / 3600).Over(mfu)
	e.Days = e.DeviceHours.Scale(1 / (24 * float64(e.Count)))
	return e, a.price(&e, assume)
}

// price adds the offers.
func (a Ask) price(e *Estimate, assume func(string, ...any)) error {
	rent := a.Rent
	if !rent.Known() {
		rent = a.Device.Rent()
		assume("$%.2f to %.2f a device-hour (%s)", rent.Low, rent.High, a.Device.Source)
	}
	if err := rent.check("rent"); err != nil {
		return err
	}
	e.Rent = Rent(e.DeviceHours, rent)
	power := a.Power
	if power == (Power{}) && a.Device.Watts > 0 {
		power = PowerOf(a.Device.Hardware)
		assume("servers at %.0f%% to %.0f%% of their power, PUE %.2f to %.2f, $%.0f to %.0f a MWh", 100*power.Load.Low, 100*power.Load.High, power.PUE.Low, power.PUE.High, power.PerMWh.Low, power.PerMWh.High)
	}
	if power != (Power{}) {
		energy := power.Energy(e.DeviceHours)
		e.Energy = &energy
	}
	if a.Device.Purchase.Known() {
		buying := a.Buying
		if buying == (Buying{}) {
			buying = UsualBuying()
			assume("a server at %.2g to %.2g times its devices, network %.2g to %.2g times that, written off in %.0f to %.0f years", buying.Host.Low, buying.Host.High, buying.Interconnect.Low, buying.Interconnect.High, buying.Years.Low, buying.Years.High)
		}
		purchase := buying.Buy(a.Device.Purchase, e.Count)
		e.Purchase = &purchase
		if e.Energy != nil {
			own := purchase.PerDay.Times(e.Days).Plus(e.Energy.Dollars)
			e.Own = &own
			if even, err := BreakEven(purchase.Total, e.Rent, e.Energy.Dollars, e.DeviceHours, e.Count); err == nil {
				e.Even = &even
			} else if !errors.Is(err, ErrNeverEven) {
				return err
			}
		}
	}
	if a.Team.People > 0 {
		team := a.Team.Dollars()
		e.Team = &team
		if a.Team.PerYear == (Range{}) {
			assume("$%.0f to %.0f a person and year", UsualSalary().Low, UsualSalary().High)
		}
	}
	if a.Shape == nil {
		return nil
	}
	training, err := a.Shape.TrainingMemory(Layout{Context: a.Context, Shards: e.Count, Stage: 3})
	if err != nil {
		return err
	}
	serving, err := a.Shape.InferenceMemory(1, or(a.Context, a.Shape.Context), 2)
	e.Training, e.Serving = &training, &serving
	return err
}

// sentence tells the regime to a person.
func (r Regime) sentence(tokens, each float64) string {
	if r == FixedTokens {
		return fmt.Sprintf("Tokens are fixed at %s: ten times the parameters would take 10 times the FLOPs. Were tokens to grow with size (%.3g a parameter), it would be 100 times.", Short(tokens), each)
	}
	return fmt.Sprintf("Tokens grow with size, %.3g a parameter: ten times the parameters would take 100 times the FLOPs. Were tokens fixed at %s, it would be 10 times.", each, Short(tokens))
}

// Budget is what an amount of money or time buys, the inverse of an estimate: FLOPs, at the device's MFU and price. Dollars or
// hours must be above 0; both bound it. Errors: ErrBadAsk.
func (a Ask) Budget(dollars, hours float64) (Range, error) {
	mfu, rent := or(a.MFU, UsualMFU()), or(a.Rent, a.Device.Rent())
	if !(a.Device.PeakFLOPs > 0) || mfu.Low <= 0 || mfu.High > 1 {
		return Range{}, fmt.Errorf("cost: a budget wants a device whose peak FLOPs are known and an MFU above 0 and at most 1: %w", ErrBadAsk)
	}
	if math.IsInf(dollars, 0) || math.IsInf(hours, 0) || !(dollars >= 0) || !(hours >= 0) || dollars+hours == 0 {
		return Range{}, fmt.Errorf("cost: a budget of %g dollars and %g device-hours: %w", dollars, hours, ErrBadAsk)
	}
	bought := Range{math.Inf(1), math.Inf(1), math.Inf(1)}
	if hours > 0 {
		bought = Exactly(hours)
	}
	if dollars > 0 {
		if rent.Low <= 0 {
			return Range{}, fmt.Errorf("cost: dollars buy any number of hours of %q, which is free: %w", a.Device.Device, ErrBadAsk)
		}
		by := Exactly(dollars).Over(rent)
		bought = Range{min(bought.Low, by.Low), min(bought.Typical, by.Typical), min(bought.High, by.High)}
	}
	return bought.Scale(3600 * a.Device.PeakFLOPs).Times(mfu), nil
}

// Short writes a count as people say it: 7B, 2T, 350M.
func Short(v float64) string {
	for _, u := range []struct {
		at   float64
		unit string
	}{{1e12, "T"}, {1e9, "B"}, {1e6, "M"}, {1e3, "K"}} {
		if v >= u.at*0.9995 {
			return fmt.Sprintf("%.3g%s", v/u.at, u.unit)
		}
	}
	return fmt.Sprintf("%.3g", v)
}
