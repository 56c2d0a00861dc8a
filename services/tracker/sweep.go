package tracker

import (
	"math"
	"strconv"

	"millrace/event"
	"millrace/services/rules/search"
	"millrace/storage/readmodel"
)

func itoa(n int) string { return strconv.Itoa(n) }

// SeenOf is what scores say of a sweep's trials, in the order of their numbers.
func SeenOf(scores []readmodel.TrialScore) (out []search.Trial) {
	for _, s := range scores { // by number and rung
		if len(out) == 0 || out[len(out)-1].Number != s.Number {
			out = append(out, search.Trial{Number: s.Number})
		}
		t := &out[len(out)-1]
		for len(t.Values) < s.Rung {
			t.Values = append(t.Values, math.NaN())
		}
		v := math.NaN()
		if s.Value != nil {
			v = float64(*s.Value)
		}
		t.Values, t.Rung = append(t.Values, v), s.Rung
	}
	return out
}

// EndOf is the last word on a sweep.
func EndOf(s event.SweepStarted, p search.Plan, trials []search.Trial, status, by string) event.SweepEnded {
	end := event.SweepEnded{Sweep: s.Sweep, Status: status, Trials: len(trials), By: by}
	if number, value, ok := p.Best(trials); ok {
		v := event.Number(value)
		end.Best, end.Number, end.Value = event.TrialRun(s.Sweep, number), number, &v
	}
	return end
}
