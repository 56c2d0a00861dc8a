package cost_test

import (
	"errors"
	"math"
	"testing"
	"time"

	"millrace/cost"
)

func day(s string) time.Time {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		panic(err)
	}
	return t
}

func TestTheLineInForce(t *testing.T) {
	book := cost.Book{
		{Device: "gpu:*", PerHour: 1, From: day("2026-01-01")},
		{Device: "gpu:*H200*", PerHour: 4, From: day("2026-01-01")},
		{Device: "gpu:*H200*", PerHour: 3, From: day("2026-06-01")},
		{Device: "gpu:*H200*", PerHour: 2, From: day("2026-06-01")}, // corrected the same day
		{Device: "tpu:v9", PerHour: 7, From: day("2026-06-01")},
	}
	for _, c := range []struct {
		kind, name, at string
		want           float64
	}{
		{"gpu", "NVIDIA H200", "2026-03-01", 4},
		{"gpu", "nvidia h200", "2026-07-01", 2},
		{"gpu", "NVIDIA L4", "2026-07-01", 1},
		{"gpu", "some/odd [name]?", "2026-07-01", 1},
		{"tpu", "v9", "2026-01-01", 7}, // only a later line: better than none
	} {
		p, ok := book.Of(c.kind, c.name, day(c.at))
		if !ok || p.PerHour != c.want {
			t.Errorf("%s %s at %s: %v %v, want %v", c.kind, c.name, c.at, p.PerHour, ok, c.want)
		}
	}
	if _, ok := book.Of("cpu", "Xeon", day("2026-07-01")); ok {
		t.Error("no line fits a cpu")
	}
}

func TestABill(t *testing.T) {
	book := cost.Book{{Device: "cpu:*", PerHour: 0.05, PerKWh: 0.1, PerGBMonth: 0.02, From: day("2026-01-01")}}
	bill := book.Price([]cost.Spent{
		{Kind: "cpu", Name: "Xeon", Seconds: 7200, Joules: 3.6e6, Stored: 5e8, FLOPs: 1e12, Tokens: 10, At: day("2026-02-01")},
		{Kind: "cpu", Name: "Xeon", Seconds: 3600, Joules: -1, At: day("2026-02-01")},
		{Kind: "gpu", Name: "L4", Seconds: 10, Joules: -1, At: day("2026-02-01")},
	})
	near := func(got, want float64) bool { return math.Abs(got-want) < 1e-12 }
	if !near(bill.Devices, 0.15) || !near(bill.Energy, 0.1) || bill.Storage != 0 || !near(bill.Dollars, 0.25) {
		t.Errorf("%+v", bill)
	}
	// Half a gigabyte for ten days, of which a fifth is there still.
	bill.Keep(cost.Stored{Bytes: 1e8, ByteSeconds: 5e8 * 10 * 24 * 3600}, book[0])
	if !near(bill.Storage, 0.02/6) || !near(bill.PerMonth, 0.002) || bill.StoredBytes != 1e8 {
		t.Errorf("%+v", bill)
	}
	if bill.DeviceSeconds != 10810 || bill.Joules != 3.6e6 || !bill.JoulesKnown || bill.FLOPs != 1e12 || bill.Tokens != 10 {
		t.Errorf("%+v", bill)
	}
	if len(bill.Unpriced) != 1 || bill.Unpriced[0] != "gpu:L4" {
		t.Errorf("unpriced %v", bill.Unpriced)
	}
}

func TestABillForTheBuildingToo(t *testing.T) {
	book := cost.Book{{Device: "gpu:*", PerHour: 1, PerKWh: 0.2, PUE: 1.5, From: day("2026-01-01")}}
	bill := book.Price([]cost.Spent{{Kind: "gpu", Name: "L4", Joules: 3.6e6, At: day("2026-02-01")}})
	if math.Abs(bill.Energy-0.3) > 1e-12 {
		t.Errorf("%+v", bill)
	}
}

func TestBadPrices(t *testing.T) {
	for _, p := range []cost.Price{
		{Device: "H200", From: day("2026-01-01")},
		{Device: "gpu:*", PerHour: -1, From: day("2026-01-01")},
		{Device: "gpu:*", PerHour: math.NaN(), From: day("2026-01-01")},
		{Device: "gpu:*"},
		{Device: "gpu:*", From: day("2026-01-01"), PUE: 0.5},
		{Device: "gpu:*", From: day("2026-01-01"), PerHour: 2, PerHourLow: 3, PerHourHigh: 4},
		{Device: "gpu:*", From: day("2026-01-01"), Hardware: cost.Hardware{Watts: math.Inf(1)}},
		{Device: "gpu:*", From: day("2026-01-01"), Hardware: cost.Hardware{Purchase: cost.Range{Low: 1}}},
	} {
		if err := p.Check(); !errors.Is(err, cost.ErrBadPrice) {
			t.Errorf("%+v: %v", p, err)
		}
	}
	for _, p := range cost.Default() {
		if err := p.Check(); err != nil || p.Source == "" {
			t.Errorf("%+v: %v", p, err)
		}
	}
}
