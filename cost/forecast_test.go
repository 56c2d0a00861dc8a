package cost_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"millrace/cost"
)

// machine makes the moments of a run by a simulated clock.
type machine struct {
	steps       int
	step        float64 // seconds of one, typically
	start       float64 // seconds until the first: reading, compiling
	cold, share float64 // steps that take longer, and by what part of a step at first
	noise       float64 // deviation of the logarithm of a step's time
	pauses      []cost.Pause
	takes       []float64                      // seconds, of each pause
	factor      func(step, at float64) float64 // what others on the machine, or the batch, make of a step's time
	seed        uint64
}

// run tells the moment at which each step was logged, and when all was over. What is due after a step comes after its moment, but for the
// first kind of pause, which comes before it: so evaluations and checkpoints do.
func (m machine) run() (steps []cost.Step, end float64) {
	random := rand.New(rand.NewPCG(m.seed, 3))
	at := m.start
	for i := 1; i <= m.steps; i++ {
		took := m.step * math.Exp(m.noise*random.NormFloat64()-m.noise*m.noise/2)
		if left := 1 - float64(i)/m.cold; left > 0 {
			took *= 1 + m.share*left
		}
		if m.factor != nil {
			took *= m.factor(float64(i), at)
		}
		at += took
		after := 0.0
		for k, p := range m.pauses {
			if i%int(p.Every) == 0 || p.Last && i == m.steps {
				if k == 0 {
					at += m.takes[k]
				} else {
					after += m.takes[k]
				}
			}
		}
		steps = append(steps, cost.Step{Seconds: at, Done: float64(i)})
		at += after
	}
	return steps, at
}

// seen are the moments of the first so many seconds, thinned as a long series is.
func seen(all []cost.Step, seconds float64) []cost.Step {
	n := 0
	for n < len(all) && all[n].Seconds <= seconds {
		n++
	}
	every := max(1, n/512)
	var out []cost.Step
	for i := every - 1; i < n; i += every {
		out = append(out, all[i])
	}
	if len(out) == 0 || out[len(out)-1] != all[n-1] {
		out = append(out, all[n-1])
	}
	return out
}

const devices, watts, idle, perHour = 2, 300.0, 90.0, 3.0

// foretold is what is said after a minute, when the machine draws less before its first step.
func foretold(t *rapid.T, m machine, all []cost.Step) (cost.Forecast, cost.Pace, float64) {
	moments := seen(all, 60)
	p, ok := cost.PaceOf(moments, float64(m.steps), m.pauses...)
	if !ok {
		t.Fatal("nothing is said after a minute")
	}
	now := moments[len(moments)-1].Seconds
	bill := m.bill(now)
	return cost.ForecastOf(bill, bill, now, watts, p, "steps"), p, now
}

// bill is what was spent after so many seconds.
func (m machine) bill(seconds float64) cost.Bill {
	hours := seconds * devices / 3600
	return cost.Bill{DeviceSeconds: seconds * devices, Devices: hours * perHour, Dollars: hours * perHour, Joules: watts*seconds - (watts-idle)*m.start, JoulesKnown: true}
}

func off(got, want float64) float64 { return math.Abs(got/want - 1) }

// even draws a run whose pace is what it is: a beginning of any kind, noise, evaluations and checkpoints.
func even(t *rapid.T) machine {
	m := machine{
		step: rapid.Float64Range(0.005, 1).Draw(t, "seconds a step"), start: rapid.Float64Range(0, 15).Draw(t, "start"), cold: rapid.Float64Range(1, 30).Draw(t, "cold steps"),
		share: rapid.Float64Range(0, 3).Draw(t, "slower at first by"), noise: rapid.OneOf(rapid.Just(0.0), rapid.Float64Range(0, 0.15)).Draw(t, "noise"), seed: rapid.Uint64().Draw(t, "seed"),
	}
	m.cold = min(m.cold, 10/(m.step*(1+m.share/2))) // the cold steps are over with the warm-up
	m.steps = int(rapid.Float64Range(120, 7200).Draw(t, "seconds") / m.step)
	// A pause is seen at least once in the minute, and there may be one every few steps.
	for _, name := range []string{"evaluation", "checkpoint"} {
		every := rapid.Float64Range(2, 25).Draw(t, name+" every so many seconds")
		m.pauses = append(m.pauses, cost.Pause{Name: name, Every: math.Max(3, math.Floor(every/m.step)), Last: true, Steps: 5})
		m.takes = append(m.takes, rapid.Float64Range(0, 0.1).Draw(t, name+" as a part")*m.pauses[len(m.pauses)-1].Every*m.step)
	}
	return m
}

// After the first minute seconds, dollars and joules of the end are known within 10%, for every run whose pace is even.
func TestAfterAMinuteTheEndIsKnown(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := even(t)
		all, end := m.run()
		f, p, now := foretold(t, m, all)
		want := m.bill(end)
		for what, pair := range map[string][2]float64{
			"seconds": {now + f.SecondsLeft.Typical, end}, "device-seconds": {f.DeviceSeconds.Typical, want.DeviceSeconds},
			"dollars": {f.Dollars.Typical, want.Dollars}, "joules": {f.Joules, want.Joules},
		} {
			if off(pair[0], pair[1]) > 0.1 {
				t.Fatalf("%s: foretold %.5g, it took %.5g: %s (%+v)", what, pair[0], pair[1], f.Basis, p)
			}
		}
		if !(f.Dollars.Low <= f.Dollars.Typical && f.Dollars.Typical <= f.Dollars.High) {
			t.Fatalf("%+v", f.Dollars)
		}
		if m.noise == 0 && f.Uncertain {
			t.Fatalf("an even run is called uncertain: %s (%+v)", f.Basis, p)
		}
	})
}

// Pauses that are seen once in a minute are neither spread over the rest nor forgotten, and one that was never seen is told of.
func TestPausesThatAreRare(t *testing.T) {
	m := machine{steps: 6000, step: 0.1, cold: 1, seed: 1, pauses: []cost.Pause{{Name: "evaluation", Every: 400, Last: true, Steps: 150}, {Name: "checkpoint", Every: 450, Last: true, Steps: 2}}, takes: []float64{8, 3}}
	all, end := m.run()
	p, ok := cost.PaceOf(seen(all, 60), 6000, m.pauses...)
	if now := 60.0; !ok || off(now+p.Left.Typical, end) > 0.02 || p.Why != "" {
		t.Errorf("%v of %v: %s", now+p.Left.Typical, end, p.Says("steps"))
	}
	m.pauses[0].Every, m.takes[0] = 1000, 30 // the first one is at 100 s
	all, end = m.run()
	p, ok = cost.PaceOf(seen(all, 60), 6000, m.pauses...)
	if now := 60.0; !ok || p.Why == "" || now+p.Left.Low > end || now+p.Left.High < end {
		t.Errorf("%v to %v of %v: %s", now+p.Left.Low, now+p.Left.High, end, p.Says("steps"))
	}
	m.pauses[0].Steps = 300 // thought right
	if p, ok = cost.PaceOf(seen(all, 60), 6000, m.pauses...); !ok || off(60+p.Left.Typical, end) > 0.02 || p.Why == "" {
		t.Errorf("%v of %v: %s", 60+p.Left.Typical, end, p.Says("steps"))
	}
}

// Where the pace comes and goes, rises or falls, either the end is within 10% all the same, or it is said that nobody knows; and the range has it.
func TestAnUnevenPaceIsSaidToBeOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := even(t)
		m.step, m.noise = min(m.step, 0.2), min(m.noise, 0.003)
		m.steps = int(rapid.Float64Range(300, 3600).Draw(t, "long") / m.step)
		kind := rapid.SampledFrom([]string{"guest", "ramp"}).Draw(t, "kind")
		switch kind {
		case "guest": // another program takes the cores for a part of every so many seconds
			period, part, slower := rapid.Float64Range(5, 16).Draw(t, "period"), rapid.Float64Range(0.1, 0.9).Draw(t, "part"), rapid.Float64Range(1.2, 4).Draw(t, "slower")
			m.factor = func(_, at float64) float64 {
				if math.Mod(at, period) < part*period {
					return slower
				}
				return 1
			}
		case "ramp": // the batch grows until a part of the steps is done, and stays
			m.noise = 0 // it would hide a ramp of a few percent a minute
			until, to := rapid.Float64Range(0.3, 1).Draw(t, "until"), rapid.Float64Range(1, 6).Draw(t, "times")
			m.factor = func(step, _ float64) float64 { return 1 + (to-1)*min(1, step/(until*float64(m.steps))) }
		}
		all, end := m.run()
		f, p, now := foretold(t, m, all)
		if off(end, now+f.SecondsLeft.Typical) > 0.1 && !f.Uncertain { // a tenth of what is foretold
			t.Fatalf("%s of %+v: foretold %.1f s, it took %.1f, and nobody says that it is uncertain: %s (%+v)", kind, m, now+f.SecondsLeft.Typical, end, f.Basis, p)
		}
		const rounding = 0.1 // of the whole: the last stretch; a ramp so slow that half a minute does not show it
		if low, high := now+f.SecondsLeft.Low, now+f.SecondsLeft.High; end < low*(1-rounding) || end > high*(1+rounding) {
			t.Fatalf("%s of %+v: %.1f to %.1f s, it took %.1f: %s (%+v)", kind, m, low, high, end, f.Basis, p)
		}
	})
}

// A guest that meets the steps between short pauses more often than the others does not make every step as slow as those.
func TestAGuestInStepWithPauses(t *testing.T) {
	pause := cost.Pause{Every: 3, Last: true, Steps: 5}
	m := machine{steps: 1500, step: 0.2, start: 1, cold: 1, share: 1, pauses: []cost.Pause{pause, pause}, takes: []float64{0.046875, 0.005859375}}
	m.factor = func(_, at float64) float64 {
		if math.Mod(at, 5) < 2.5 {
			return 3.984375
		}
		return 1
	}
	all, end := m.run()
	p, ok := cost.PaceOf(seen(all, 60), 1500, m.pauses...)
	if !ok || off(60+p.Left.Typical, end) > 0.05 {
		t.Errorf("%v of %v: %s", 60+p.Left.Typical, end, p.Says("steps"))
	}
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
		pauses := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) cost.Pause {
			return cost.Pause{Every: rapid.Float64().Draw(t, "every"), Steps: rapid.Float64Range(0, 1e6).Draw(t, "steps"), Last: rapid.Bool().Draw(t, "last")}
		}), 0, 3).Draw(t, "pauses")
		if p, ok := cost.PaceOf(steps, rapid.Float64().Draw(t, "total"), pauses...); ok && (math.IsNaN(p.Left.Typical) || !(p.Left.Low <= p.Left.Typical) || !(p.Left.Typical <= p.Left.High)) {
			t.Fatalf("%+v", p)
		}
	})
}
