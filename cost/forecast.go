package cost

import (
	"fmt"
	"math"
	"slices"
)

// Step is a moment of a run: so many seconds since its attempt began, so much was done.
type Step struct {
	Seconds, Done float64
}

// Pace is how fast a run goes on, as seen so far.
type Pace struct {
	// Left is seconds to the end.
	Left Range
	// PerSecond is what is done in a second.
	PerSecond float64
	// From and To are the steps it was measured between; Seconds the time between them, Skipped the time before: the warm-up.
	From, To         float64
	Seconds, Skipped float64
	Total            float64
}

// Says tells what a pace rests on.
func (p Pace) Says(unit string) string {
	if p.Skipped == 0 {
		return fmt.Sprintf("%s %.0f to %.0f of %.0f in %.0f s", unit, p.From, p.To, p.Total, p.Seconds)
	}
	return fmt.Sprintf("%s %.0f to %.0f of %.0f in %.0f s; the first %.0f s, its warm-up, left out", unit, p.From, p.To, p.Total, p.Seconds, p.Skipped)
}

const (
	// leastSeconds must have been seen, of which the first third, at most so many seconds, counts as warm-up: the first steps allocate,
	// the first batches come from a cold disk.
	leastSeconds  = 3.0
	warmShare     = 1.0 / 3
	warmSeconds   = 30.0
	paceBlocks    = 8
	paceTolerance = 0.02 // of what is left, whatever the noise
)

// PaceOf measures how fast a run goes on. The mean over all that came after the warm-up counts, pauses for evaluations and checkpoints
// included, as they will come again. Its range is twice the standard error of the mean of eight parts, and 2%. Steps are in the order of
// time; Done may go back (a rewind): then only what came after counts. ok is false while too little was seen.
func PaceOf(steps []Step, total float64) (p Pace, ok bool) {
	for i := len(steps) - 1; i > 0; i-- {
		if steps[i].Done < steps[i-1].Done || steps[i].Seconds < steps[i-1].Seconds {
			steps = steps[i:]
			break
		}
	}
	if len(steps) < 3 {
		return p, false
	}
	last := steps[len(steps)-1]
	begun := steps[0].Seconds
	if last.Seconds-begun < leastSeconds || !(total > 0) || math.IsInf(total, 0) || math.IsInf(last.Seconds, 0) {
		return p, false
	}
	warm := begun + min(warmSeconds, warmShare*(last.Seconds-begun))
	at, _ := slices.BinarySearchFunc(steps, warm, func(s Step, warm float64) int {
		if s.Seconds < warm {
			return -1
		}
		return 1
	})
	at = min(at, len(steps)-2)
	from := steps[at]
	p = Pace{From: from.Done, To: last.Done, Seconds: last.Seconds - from.Seconds, Skipped: from.Seconds - begun, Total: total}
	if !(p.Seconds > 0) || !(last.Done > from.Done) {
		return p, false
	}
	p.PerSecond = (last.Done - from.Done) / p.Seconds
	left := max(0, total-last.Done) / p.PerSecond
	error := min(0.9, paceTolerance+2*spreadOfMean(steps[at:], p.PerSecond))
	p.Left = Range{Low: left * (1 - error), Typical: left, High: left / (1 - error)}
	return p, true
}

// PaceSoFar is PaceOf where only the last moment is known: the mean since the beginning, which may be a quarter off.
func PaceSoFar(seconds, done, total float64) (p Pace, ok bool) {
	if !(seconds >= leastSeconds) || !(done > 0) || !(total > 0) || math.IsInf(seconds+done+total, 0) {
		return p, false
	}
	p = Pace{PerSecond: done / seconds, To: done, Seconds: seconds, Total: total}
	left := max(0, total-done) / p.PerSecond
	p.Left = Range{Low: left * 0.75, Typical: left, High: left / 0.75}
	return p, true
}

// spreadOfMean is the standard error of the mean pace over equal parts of the time, as a part of it.
func spreadOfMean(steps []Step, mean float64) float64 {
	from, last := steps[0], steps[len(steps)-1]
	each := (last.Seconds - from.Seconds) / paceBlocks
	var sum, n float64
	before := from
	for _, s := range steps[1:] {
		if s.Seconds-before.Seconds < each && s != last {
			continue
		}
		if took := s.Seconds - before.Seconds; took >= each/2 {
			d := (s.Done-before.Done)/took/mean - 1
			sum += d * d
			n++
		}
		before = s
	}
	if n < 2 {
		return 0.25 // nobody knows
	}
	return math.Sqrt(sum/(n-1)) / math.Sqrt(n)
}

// Forecast is what a run will have cost at its end.
type Forecast struct {
	Dollars       Range   // US dollars
	DeviceSeconds Range   // wall seconds × devices
	SecondsLeft   Range   // of wall time
	Joules        float64 // 0: no device tells
	Basis         string
}

// ForecastOf adds to what was spent what the rest will take, at the pace seen: the devices of the newest attempt go on as they did,
// storage grows with what is done. spent is of all attempts, now of the newest one alone, over wall seconds.
func ForecastOf(spent, now Bill, seconds float64, p Pace, unit string) Forecast {
	f := Forecast{SecondsLeft: p.Left, Basis: p.Says(unit), DeviceSeconds: Exactly(spent.DeviceSeconds), Dollars: Exactly(spent.Dollars)}
	if seconds <= 0 {
		return f
	}
	f.DeviceSeconds = f.DeviceSeconds.Plus(p.Left.Scale(now.DeviceSeconds / seconds))
	f.Dollars = f.Dollars.Plus(p.Left.Scale((now.Devices + now.Energy) / seconds))
	if p.To > 0 {
		f.Dollars = f.Dollars.Plus(Exactly(now.Storage * max(0, p.Total-p.To) / p.To))
	}
	f.Joules = spent.Joules + p.Left.Typical*now.Joules/seconds
	return f
}
