package cost

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Step is a moment of a run: so many seconds since its attempt began, so much was done.
type Step struct {
	Seconds, Done float64
}

// Pause is what a run stops for after every so many steps: an evaluation, a checkpoint.
type Pause struct {
	Name  string
	Every float64
	// Steps is how many steps one is thought to take until one was seen.
	Steps float64
	// Last: there is one at the end, too.
	Last bool
}

// between is how many of them fall between two steps, the first not counted.
func (p Pause) between(from, to float64) float64 {
	return max(0, math.Floor(to/p.Every)-math.Floor(from/p.Every))
}

// left is how many of them are still to come.
func (p Pause) left(done, total float64) float64 {
	n := p.between(done, total)
	if p.Last && math.Mod(total, p.Every) != 0 && done < total {
		n++
	}
	return n
}

// Seen is what is known of a pause.
type Seen struct {
	Pause
	Seconds float64 // that one takes
	Times   float64 // that it was measured; 0: Seconds is thought
	Left    float64 // that are still to come
}

// Pace is how fast a run goes on, as seen so far.
type Pace struct {
	// Left is seconds to the end.
	Left Range
	// PerSecond is what is done in a second in which there is no known pause.
	PerSecond float64
	Pauses    []Seen
	// From and To are the steps it was measured between; Seconds the time between them, Skipped the time before: the warm-up.
	From, To         float64
	Seconds, Skipped float64
	Total            float64
	// Why says why nobody can tell the end within 10%; "": it can be told.
	Why string
}

// Says tells what a pace rests on.
func (p Pace) Says(unit string) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s %.0f to %.0f of %.0f in %.0f s", unit, p.From, p.To, p.Total, p.Seconds)
	if p.Skipped > 0 {
		fmt.Fprintf(&s, "; the first %.0f s, its warm-up, left out", p.Skipped)
	}
	for _, x := range p.Pauses {
		switch {
		case x.Left == 0:
		case x.Times > 0:
			fmt.Fprintf(&s, "; %.0f × %s of %.3g s to come", x.Left, x.Name, x.Seconds)
		default:
			fmt.Fprintf(&s, "; %.0f × %s to come, of which none was seen, thought to take %.3g s", x.Left, x.Name, x.Seconds)
		}
	}
	if p.Why != "" {
		s.WriteString("; uncertain: " + p.Why)
	}
	return s.String()
}

const (
	// leastSeconds must have been seen, of which the first third, at most so many seconds, counts as warm-up: the first steps allocate,
	// the first batches come from a cold disk.
	leastSeconds  = 3.0
	warmShare     = 1.0 / 3
	warmSeconds   = 30.0
	paceBlocks    = 8
	trendBlocks   = 16
	paceTolerance = 0.02 // of what is left, whatever the noise
	// unevenBlocks is the deviation of the blocks' paces from which on the pace comes and goes: then any of them may be the one that stays.
	unevenBlocks = 0.1
	// trendT is how many of its own standard errors a trend must be to be one, trendShare what part it must change the rest by.
	trendT, trendShare = 4.0, 0.05
	// certain is how far the ends of a range may lie from what is typical, as a part of the whole time, to be no reason for a warning.
	certain = 0.1
	// mostThought is how many times as long as thought a pause may be that nobody has seen.
	mostThought = 3.0
)

// stretch is the time between two moments.
type stretch struct {
	done, seconds float64
	pauses        []float64 // how many of each
	from          Step
}

// PaceOf measures how fast a run goes on: the mean pace of all that came after the warm-up and between pauses, and how long each kind of
// pause takes, both such that together they give the time that was seen. Its range is twice the standard error of the mean of eight parts, and 2%. Where the parts differ by more, the slowest and the
// fastest are its ends; where the pace rises or falls steadily, one end is where that leads; of pauses that nobody saw yet, it is none at all
// and three times as long as thought. Steps are in the order of time; Done may go back (a rewind): then only what came after counts. Kinds
// of pauses of which there is one every other step are a part of the step. ok is false while too little was seen.
func PaceOf(steps []Step, total float64, pauses ...Pause) (p Pace, ok bool) {
	for i := len(steps) - 1; i > 0; i-- {
		if steps[i].Done < steps[i-1].Done || steps[i].Seconds < steps[i-1].Seconds {
			steps = steps[i:]
			break
		}
	}
	if len(steps) < 3 {
		return p, false
	}
	const often = 1 << 40 // steps: beyond, floats would not count them
	last := steps[len(steps)-1]
	begun := steps[0].Seconds
	if last.Seconds-begun < leastSeconds || !(total > 0) || math.IsInf(total, 0) || math.IsInf(last.Seconds, 0) {
		return p, false
	}
	pauses = slices.DeleteFunc(slices.Clone(pauses), func(x Pause) bool { return !(x.Every > 2 && x.Every < often) })
	all := stretches(steps, pauses)
	warm := begun + min(warmSeconds, warmShare*(last.Seconds-begun))
	at := 0
	for at < len(all)-1 && all[at].from.Seconds < warm {
		at++
	}
	if len(all) == 0 {
		return p, false
	}
	from, to := all[at].from, all[len(all)-1]
	p = Pace{From: from.Done, To: to.from.Done + to.done, Seconds: to.from.Seconds + to.seconds - from.Seconds, Skipped: from.Seconds - begun, Total: total}
	if !(p.Seconds > 0) || !(p.To > p.From) {
		return p, false
	}
	each := secondsEach(all[at:]) // of a step
	took := pauseSeconds(all, at, each, len(pauses))
	fit := explained(all[at:], each, took)
	each *= fit
	p.PerSecond = 1 / each
	rest := max(0, total-last.Done)
	typical := rest * each
	var slack Range // of pauses
	for k, took := range took {
		x := Seen{Pause: pauses[k], Seconds: took.seconds * fit, Times: took.times, Left: pauses[k].left(last.Done, total)}
		if x.Times == 0 {
			x.Seconds = x.Steps * each
			slack.Low -= x.Left * x.Seconds
			slack.High += (mostThought - 1) * x.Left * x.Seconds
		}
		typical += x.Left * x.Seconds
		p.Pauses = append(p.Pauses, x)
	}
	p.Left = p.within(all[at:], rest, each, typical, slack)
	return p, p.Left.Low <= p.Left.Typical && p.Left.Typical <= p.Left.High && !math.IsInf(p.Left.High, 0)
}

// stretches cuts the time at moments after which no pause is due: whether a pause lies before or after such a moment, nobody knows.
func stretches(steps []Step, pauses []Pause) []stretch {
	var all []stretch
	from := steps[0]
	for _, s := range steps[1:] {
		if s == from || slices.ContainsFunc(pauses, func(x Pause) bool { return math.Mod(s.Done, x.Every) == 0 }) {
			continue
		}
		one := stretch{done: s.Done - from.Done, seconds: s.Seconds - from.Seconds, from: from}
		for _, x := range pauses {
			one.pauses = append(one.pauses, x.between(from.Done, s.Done))
		}
		all = append(all, one)
		from = s
	}
	return all
}

func (s stretch) paused() bool {
	return slices.ContainsFunc(s.pauses, func(n float64) bool { return n > 0 })
}

// secondsEach is the mean time of a step in stretches without a pause, or in all of them when there is none such.
func secondsEach(all []stretch) float64 {
	var clean, whole stretch
	for _, s := range all {
		whole.done, whole.seconds = whole.done+s.done, whole.seconds+s.seconds
		if !s.paused() {
			clean.done, clean.seconds = clean.done+s.done, clean.seconds+s.seconds
		}
	}
	if clean.done > 0 && clean.seconds > 0 && clean.done >= whole.done/10 {
		return clean.seconds / clean.done
	}
	return whole.seconds / whole.done
}

type measured struct{ seconds, times float64 }

// pauseSeconds shares out what stretches took beyond their steps among the pauses in them, by least squares, none below 0. The first one of
// a kind in the warm-up counts only while there is no other.
func pauseSeconds(all []stretch, warm int, each float64, kinds int) []measured {
	out := make([]measured, kinds)
	use := make([]stretch, 0, len(all))
	for k := range kinds {
		for _, s := range all[warm:] {
			out[k].times += s.pauses[k]
		}
	}
	for i, s := range all {
		if !s.paused() {
			continue
		}
		early := false
		for k, n := range s.pauses {
			early = early || n > 0 && out[k].times == 0
		}
		if i >= warm || early {
			use = append(use, s)
		}
	}
	for k := range kinds {
		out[k].times = 0
		for _, s := range use {
			out[k].times += s.pauses[k]
		}
	}
	for range 50 { // coordinate descent
		for k := range kinds {
			var up, down float64
			for _, s := range use {
				rest := s.seconds - each*s.done
				for j, n := range s.pauses {
					if j != k {
						rest -= n * out[j].seconds
					}
				}
				up, down = up+s.pauses[k]*rest, down+s.pauses[k]*s.pauses[k]
			}
			if down > 0 {
				out[k].seconds = max(0, up/down)
			}
		}
	}
	return out
}

// explained is how many times as long stretches took as their steps and pauses would. Where something else slows now a step and now a pause,
// it may have met more of the ones than of the others; together they still take what they took.
func explained(all []stretch, each float64, took []measured) float64 {
	var seconds, foretold float64
	for _, s := range all {
		seconds, foretold = seconds+s.seconds, foretold+s.done*each
		for k, n := range s.pauses {
			foretold += n * took[k].seconds
		}
	}
	if !(seconds > 0) || !(foretold > 0) {
		return 1
	}
	return seconds / foretold
}

// within is the range of what is left, and why it is wide.
func (p *Pace) within(all []stretch, rest, each, typical float64, slack Range) Range {
	blocks := p.blocks(all, paceBlocks)
	mean, spread := meanAndSpread(blocks)
	low, high := rest*each, rest*each
	why := ""
	switch n := len(blocks); {
	case n < 3:
		low, high, why = low*0.75, high/0.75, "too little was seen of it"
	default:
		error := min(0.9, paceTolerance+2*spread/math.Sqrt(float64(n)))
		low, high, why = low*(1-error), high/(1-error), "steps take now longer, now shorter"
		if spread > unevenBlocks {
			low, high = min(low, rest*each*slices.Min(blocks)/mean), max(high, rest*each*slices.Max(blocks)/mean)
		}
	}
	if by := p.trend(p.blocks(all, trendBlocks), rest); math.Abs(by) > trendShare {
		low, high = min(low, rest*each*max(0.1, 1+by)), max(high, rest*each*(1+by))
		why = map[bool]string{true: "steps take longer and longer", false: "steps take shorter and shorter"}[by > 0]
	}
	pausesLeft := typical - rest*each
	r := Range{Low: max(0, low+pausesLeft+slack.Low), Typical: typical, High: high + pausesLeft + slack.High}
	whole := p.Skipped + p.Seconds + typical
	if max(r.High-typical, typical-r.Low) > certain*whole {
		if slack.High > high-rest*each {
			why = "a kind of pause is still to be seen for the first time"
		}
		p.Why = why
	}
	return r
}

// blocks are the seconds of a step, as a part of the mean, in up to so many parts of equal time, pauses aside.
func (p *Pace) blocks(all []stretch, parts float64) []float64 {
	var out []float64
	length := 0.0
	awake := func(s stretch) float64 {
		for k, n := range s.pauses {
			s.seconds -= n * p.Pauses[k].Seconds
		}
		return max(0, s.seconds)
	}
	for _, s := range all {
		length += awake(s) / parts
	}
	var now stretch
	for i, s := range all {
		now.done, now.seconds = now.done+s.done, now.seconds+awake(s)
		if now.seconds >= length || i == len(all)-1 && now.seconds >= length/2 {
			if now.done > 0 {
				out = append(out, now.seconds/now.done*p.PerSecond)
			}
			now = stretch{}
		}
	}
	return out
}

func meanAndSpread(list []float64) (mean, spread float64) {
	for _, v := range list {
		mean += v / float64(len(list))
	}
	for _, v := range list {
		spread += (v - mean) * (v - mean)
	}
	return mean, math.Sqrt(spread / max(1, float64(len(list)-1)))
}

// trend is by what part the rest takes longer than at the mean pace if the time of a step goes on to change as it did, 0 where that is noise.
func (p *Pace) trend(blocks []float64, rest float64) float64 {
	n := float64(len(blocks))
	if n < 5 {
		return 0
	}
	middle := (n - 1) / 2
	mean, _ := meanAndSpread(blocks)
	var xy, xx, left float64
	for i, v := range blocks {
		x := float64(i) - middle
		xy, xx = xy+x*(v-mean), xx+x*x
	}
	slope := xy / xx // in a block
	for i, v := range blocks {
		d := v - mean - slope*(float64(i)-middle)
		left += d * d
	}
	if math.Abs(slope) < trendT*math.Sqrt(left/(n-2)/xx) {
		return 0
	}
	perStep := slope * n / (p.To - p.From)
	return perStep * ((p.To-p.From)/2 + rest/2)
}

// PaceSoFar is PaceOf where only the last moment is known: the mean since the beginning, which may be a quarter off.
func PaceSoFar(seconds, done, total float64) (p Pace, ok bool) {
	if !(seconds >= leastSeconds) || !(done > 0) || !(total > 0) || math.IsInf(seconds+done+total, 0) {
		return p, false
	}
	p = Pace{PerSecond: done / seconds, To: done, Seconds: seconds, Total: total}
	left := max(0, total-done) / p.PerSecond
	p.Left = Range{Low: left * 0.75, Typical: left, High: left / 0.75}
	if p.Left.High-left > certain*(seconds+left) {
		p.Why = "only how far it is, is known"
	}
	return p, true
}
