package cost_test

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"millrace/cost"
)

func gpu(t interface{ Fatal(...any) }, name string) cost.Price {
	p, ok := cost.Default().Device("gpu", name, time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC))
	if !ok {
		t.Fatal("the book does not know " + name)
	}
	return p
}

func near(got, want, part float64) bool { return math.Abs(got/want-1) <= part }

// Touvron et al. 2023 (Llama 2), table 2: GPU-hours of A100 80GB on 2T tokens. Their MFU makes of them what the arithmetic asks for.
func TestLlama2HoursAsPublished(t *testing.T) {
	for _, c := range []struct {
		preset     string
		mfu, hours float64
	}{{"llama2-7b", 0.39, 184_320}, {"llama2-70b", 0.43, 1_720_320}} {
		s, err := cost.Preset(c.preset)
		if err != nil {
			t.Fatal(err)
		}
		e, err := cost.Ask{Shape: &s, Tokens: 2e12, Device: gpu(t, "a100"), Count: 1000, MFU: cost.Exactly(c.mfu)}.Estimate()
		if err != nil || !near(e.DeviceHours.Typical, c.hours, 0.2) || e.Regime != cost.FixedTokens {
			t.Errorf("%s: %.0f hours %v, published are %.0f", c.preset, e.DeviceHours.Typical, err, c.hours)
		}
		// By a size alone, which is 6ND.
		n, _ := s.Parameters()
		e, err = cost.Ask{Params: float64(n.Total), Tokens: 2e12, Device: gpu(t, "a100"), MFU: cost.Exactly(c.mfu)}.Estimate()
		if err != nil || !near(e.DeviceHours.Typical, c.hours, 0.02) {
			t.Errorf("%s by 6ND: %.0f hours %v", c.preset, e.DeviceHours.Typical, err)
		}
	}
}

func TestBuyingPaysAfterSevenRuns(t *testing.T) {
	e, err := cost.BreakEven(cost.Exactly(10e6), cost.Exactly(1.5e6), cost.Exactly(0.1e6), cost.Exactly(1e6), 1000)
	if err != nil || !near(e.Runs.Typical, 7.142857, 1e-6) || !near(e.Days.Typical, 297.619, 1e-5) {
		t.Errorf("%+v %v", e, err)
	}
	if _, err := cost.BreakEven(cost.Exactly(10e6), cost.Exactly(1e5), cost.Exactly(1e5), cost.Exactly(1e6), 1000); !errors.Is(err, cost.ErrNeverEven) {
		t.Error(err)
	}
}

func TestEnergyOfAMillionHours(t *testing.T) {
	power := cost.PowerOf(gpu(t, "a100").Hardware)
	e := power.Energy(cost.Exactly(1e6))
	if e.Devices.Typical != 400 || !near(e.Building.Typical, 670, 0.005) || !near(e.Dollars.Typical, 67_000, 0.005) {
		t.Errorf("%+v", e)
	}
	if !(e.Building.Low > 400 && e.Building.High < 1000) {
		t.Errorf("%+v", e.Building)
	}
}

// The guide's two rules of thumb contradict each other until the regime is said.
func TestTheRegimeIsSaid(t *testing.T) {
	flops := func(params, tokens float64) cost.Estimate {
		e, err := cost.Ask{Params: params, Tokens: tokens, Device: gpu(t, "h100")}.Estimate()
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	if a, b := flops(1e10, 2e12), flops(1e11, 2e12); !near(b.FLOPs/a.FLOPs, 10, 1e-9) || b.Regime != cost.FixedTokens || !strings.Contains(b.Says, "fixed at 2T") {
		t.Errorf("%+v", b)
	}
	if a, b := flops(1e10, 0), flops(1e11, 0); !near(b.FLOPs/a.FLOPs, 100, 1e-9) || b.Regime != cost.GrowingTokens || !strings.Contains(b.Says, "100 times") {
		t.Errorf("%+v", b)
	}
}

func TestABudgetIsAnEstimateBackwards(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ask := cost.Ask{
			Params: math.Exp(rapid.Float64Range(10, 28).Draw(t, "params")), Tokens: math.Exp(rapid.Float64Range(10, 30).Draw(t, "tokens")),
			Device: gpu(t, rapid.SampledFrom([]string{"A100", "H100", "H200", "B200"}).Draw(t, "gpu")), Count: rapid.IntRange(1, 10000).Draw(t, "count"),
			MFU: cost.Exactly(rapid.Float64Range(0.01, 1).Draw(t, "mfu")), Rent: cost.Exactly(rapid.Float64Range(0.01, 100).Draw(t, "rent")),
			Team: cost.Team{People: 3, Months: 6},
		}
		e, err := ask.Estimate()
		if err != nil {
			t.Fatal(err)
		}
		byDollars, err := ask.Budget(e.Rent.Typical, 0)
		if err != nil {
			t.Fatal(err)
		}
		byHours, err := ask.Budget(0, e.DeviceHours.Typical)
		if err != nil || !near(byDollars.Typical, e.FLOPs, 1e-9) || !near(byHours.Typical, e.FLOPs, 1e-9) {
			t.Fatalf("%g, back %+v %+v %v", e.FLOPs, byDollars, byHours, err)
		}
		// Ranges are in order, and more tokens are dearer.
		ask.MFU, ask.Rent = cost.Range{}, cost.Range{}
		e, err = ask.Estimate()
		if err != nil {
			t.Fatal(err)
		}
		more := ask
		more.Tokens *= 2
		m, err := more.Estimate()
		if err != nil || m.Rent.Typical <= e.Rent.Typical {
			t.Fatalf("%v %v", m.Rent, err)
		}
		ranges := []cost.Range{e.DeviceHours, e.Days, e.Rent, e.Energy.Devices, e.Energy.Building, e.Energy.Dollars, e.Purchase.Total, e.Purchase.Host, e.Purchase.Interconnect, e.Purchase.PerDay, *e.Own, *e.Team}
		if e.Even != nil {
			ranges = append(ranges, e.Even.Runs, e.Even.Days)
		}
		for i, r := range ranges {
			if !(r.Low >= 0 && r.Low <= r.Typical && r.Typical <= r.High) {
				t.Fatalf("range %d: %+v", i, r)
			}
		}
		if !near(e.Days.Typical*24*float64(e.Count), e.DeviceHours.Typical, 1e-9) {
			t.Fatal("days and hours differ")
		}
	})
}

func TestAsksThatCannotBeAnswered(t *testing.T) {
	h100 := gpu(t, "h100")
	for name, ask := range map[string]cost.Ask{
		"nothing": {Device: h100}, "no device": {Params: 1e9}, "mfu": {Params: 1e9, Device: h100, MFU: cost.Exactly(1.1)}, "no mfu": {Params: 1e9, Device: h100, MFU: cost.Range{0, 0, 0.5}},
		"tokens": {Params: 1e9, Tokens: -1, Device: h100}, "nan": {Params: math.NaN(), Device: h100}, "count": {Params: 1e9, Device: h100, Count: -1}, "context": {Params: 1e9, Device: h100, Context: -1},
	} {
		if _, err := ask.Estimate(); !errors.Is(err, cost.ErrBadAsk) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := (cost.Ask{Params: 1e9, Device: h100, Rent: cost.Range{Low: 2, Typical: 1, High: 3}}).Estimate(); !errors.Is(err, cost.ErrBadPrice) {
		t.Error(err)
	}
	if _, err := (cost.Ask{Shape: &cost.Shape{}, Device: h100}).Estimate(); !errors.Is(err, cost.ErrBadShape) {
		t.Error(err)
	}
	for _, b := range [][2]float64{{0, 0}, {-1, 0}, {math.NaN(), 1}, {math.Inf(1), 0}} {
		if _, err := (cost.Ask{Device: h100}).Budget(b[0], b[1]); !errors.Is(err, cost.ErrBadAsk) {
			t.Errorf("%v: %v", b, err)
		}
	}
}

// Training from scratch is for few: an API is cheapest for little use, one's own model for much.
func TestBuildTuneOrAPI(t *testing.T) {
	h100 := gpu(t, "h100")
	pretrain, err := cost.Ask{Params: 7e9, Tokens: 2e12, Device: h100}.Estimate()
	if err != nil {
		t.Fatal(err)
	}
	use := cost.Use{TokensPerMonth: 1e8, Months: 24, Params: 7e9, TuneTokens: 1e8, Device: h100, Pretrain: pretrain}
	little, err := use.Decide()
	if err != nil || little.Cheapest != "prompt an API" || !math.IsInf(little.Options[2].EvenMonths.Typical, 1) || len(little.Assumed) == 0 {
		t.Errorf("%+v %v", little, err)
	}
	use.TokensPerMonth = 1e12
	much, err := use.Decide()
	if err != nil || much.Cheapest != "fine-tune an open model" {
		t.Errorf("%+v %v", much, err)
	}
	if tuned, scratch := much.Options[1].EvenMonths.Typical, much.Options[2].EvenMonths.Typical; !(tuned < scratch) || math.IsInf(scratch, 1) {
		t.Errorf("even after %v and %v months", tuned, scratch)
	}
	if raw, err := json.Marshal(little); err != nil || !strings.Contains(string(raw), `"Infinity"`) {
		t.Errorf("%s %v", raw, err)
	}
	use.TokensPerMonth = -1
	if _, err := use.Decide(); !errors.Is(err, cost.ErrBadAsk) {
		t.Error(err)
	}
}

func TestALineInheritsItsHardware(t *testing.T) {
	book := append(cost.Default(), cost.Price{Device: "gpu:*H200*", PerHour: 2.2, From: day("2026-10-01"), Source: "our contract"})
	p, ok := book.Device("gpu", "NVIDIA H200", day("2026-11-01"))
	if !ok || p.PerHour != 2.2 || p.Rent() != cost.Exactly(2.2) || p.PeakFLOPs != 989.4e12 || p.Purchase.Typical != 32_500 {
		t.Errorf("%+v", p)
	}
	rapid.Check(t, func(t *rapid.T) { // the line itself is Of's
		var book cost.Book
		for range rapid.IntRange(1, 8).Draw(t, "lines") {
			book = append(book, cost.Price{
				Device:  rapid.SampledFrom([]string{"gpu:*", "gpu:*H200*", "*:*", "gpu:NVIDIA H200", "cpu:*"}).Draw(t, "device"),
				PerHour: rapid.Float64Range(0, 9).Draw(t, "price"), From: day("2026-01-01").AddDate(0, 0, rapid.IntRange(0, 3).Draw(t, "day")),
			})
		}
		at := day("2026-01-02")
		of, ok := book.Of("gpu", "NVIDIA H200", at)
		device, ok2 := book.Device("gpu", "NVIDIA H200", at)
		if ok != ok2 || of != device {
			t.Fatalf("%+v %v, %+v %v", of, ok, device, ok2)
		}
	})
}
