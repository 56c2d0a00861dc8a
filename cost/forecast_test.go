package cost_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"millrace/cost"
)

// training makes the moments of a run of total steps: a slow beginning, noise, an evaluation every so often.
func training(total int, step, warm, noise float64, every int, evaluation float64, seed uint64) []cost.Step {
	random := rand.New(rand.NewPCG(seed, 3))
	at, steps := warm, []cost.Step{{Seconds: 0, Done: 0}}
	for i := 1; i <= total; i++ {
		at += step * math.Exp(noise*random.NormFloat64())
		if i < 20 {
			at += step // cold
		}
		steps = append(steps, cost.Step{Seconds: at, Done: float64(i)})
		if i%every == 0 {
			at += evaluation
		}
	}
	return steps
}

// After the first minute the end is known within 10%, whatever the noise of steps, the warm-up and the pauses.
func TestAfterAMinuteTheEndIsKnown(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		step := rapid.Float64Range(0.01, 0.25).Draw(t, "seconds a step")
		total := int(rapid.Float64Range(120, 3600).Draw(t, "seconds") / step)
		noise := rapid.Float64Range(0, 0.25).Draw(t, "noise")
		// A pause is seen six times in a minute: one that nobody has seen yet cannot be foretold.
		every := max(1, int(8/step))
		all := training(total, step, rapid.Float64Range(0, 5).Draw(t, "warm-up"), noise, every, rapid.Float64Range(0, 1.5).Draw(t, "evaluation"), rapid.Uint64().Draw(t, "seed"))
		end := all[len(all)-1].Seconds
		n := 0
		for n < len(all) && all[n].Seconds <= 62 {
			n++
		}
		p, ok := cost.PaceOf(all[:n], float64(total))
		if !ok {
			t.Fatal("nothing is said after a minute")
		}
		now := all[n-1].Seconds
		if got := now + p.Left.Typical; math.Abs(got/end-1) > 0.1 {
			t.Fatalf("foretold %.1f s, it took %.1f: %+v", got, end, p)
		}
		// Dollars and device-seconds are foretold as well as the time: two devices at a dollar an hour.
		bill := cost.Bill{DeviceSeconds: 2 * now, Devices: 2 * now / 3600, Dollars: 2 * now / 3600}
		f := cost.ForecastOf(bill, bill, now, p, "steps")
		if math.Abs(f.DeviceSeconds.Typical/(2*end)-1) > 0.1 || math.Abs(f.Dollars.Typical/(2*end/3600)-1) > 0.1 || f.Dollars.Low > f.Dollars.Typical || f.Dollars.High < f.Dollars.Typical {
			t.Fatalf("%+v", f)
		}
	})
}

func TestNoPaceFromNothing(t *testing.T) {
	for name, c := range map[string]struct {
		steps []cost.Step
		total float64
	}{
		"none": {nil, 10}, "one": {[]cost.Step{{1, 1}}, 10}, "at once": {[]cost.Step{{0, 0}, {0, 1}, {0, 2}}, 10}, "stuck": {[]cost.Step{{0, 1}, {10, 1}, {20, 1}}, 10},
		"no end": {[]cost.Step{{0, 0}, {10, 1}, {20, 2}}, 0}, "rewound just now": {[]cost.Step{{0, 0}, {10, 10}, {20, 20}, {30, 5}}, 100},
	} {
		if p, ok := cost.PaceOf(c.steps, c.total); ok {
			t.Errorf("%s: %+v", name, p)
		}
	}
	// Nothing is left of a run that has done it all; what came before a rewind does not count.
	if p, ok := cost.PaceOf([]cost.Step{{0, 0}, {10, 5}, {20, 10}}, 10); !ok || p.Left.Typical != 0 {
		t.Errorf("%+v %v", p, ok)
	}
	if p, ok := cost.PaceOf([]cost.Step{{0, 0}, {10, 100}, {20, 10}, {30, 20}, {40, 30}, {50, 40}}, 100); !ok || math.Abs(p.PerSecond-1) > 1e-9 {
		t.Errorf("%+v %v", p, ok)
	}
	rapid.Check(t, func(t *rapid.T) { // nothing makes it panic or say what is no number
		steps := rapid.SliceOf(rapid.Custom(func(t *rapid.T) cost.Step {
			return cost.Step{Seconds: rapid.Float64().Draw(t, "s"), Done: rapid.Float64().Draw(t, "d")}
		})).Draw(t, "steps")
		if p, ok := cost.PaceOf(steps, rapid.Float64().Draw(t, "total")); ok && (math.IsNaN(p.Left.Typical) || p.Left.Low > p.Left.Typical || p.Left.Typical > p.Left.High) {
			t.Fatalf("%+v", p)
		}
	})
}
