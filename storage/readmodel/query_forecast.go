package readmodel

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"millrace/cost"
	"millrace/event"
)

// Forecast is what a run that is running will have cost at its end.
type Forecast struct {
	cost.Forecast
	EndsAt time.Time
}

// forecastPoints is how finely a run's past is looked at.
const forecastPoints = 512

// Forecast foretells a run's end from what its newest attempt has done so far: from the times of its most frequent series and the pauses that
// its configuration names, or where it has none from its progress. ok is false for a run that is not running, that does not say how much there is to do, or that has not done
// enough yet. A curation goes through phases that nobody can foretell. Errors: ErrNotFound.
func (m *Model) Forecast(id event.RunID) (f Forecast, ok bool, err error) {
	run, err := m.Run(id)
	if err != nil || run.Status != event.Running || len(run.Attempts) == 0 || run.Kind == event.Curate {
		return f, false, err
	}
	attempt := run.Attempts[len(run.Attempts)-1]
	pace, at, unit, ok, err := m.pace(&run, attempt)
	if err != nil || !ok {
		return f, false, err
	}
	var now []spending
	var told time.Time
	for i, s := range spendings(run.Spent) {
		if run.Spent[i].Attempt == attempt.Attempt {
			now, told = append(now, s), later(told, s.At)
		}
	}
	watts, err := m.watts(id, attempt, attempt.StartedAt.Add(time.Duration(pace.Skipped*float64(time.Second))))
	if err != nil {
		return f, false, err
	}
	m.mu.RLock()
	spent, newest := m.bill(spendings(run.Spent), run.Kept.stored(at), at), m.bill(now, cost.Stored{}, at)
	m.mu.RUnlock()
	f.Forecast = cost.ForecastOf(spent, newest, told.Sub(attempt.StartedAt).Seconds(), watts, pace, unit)
	f.EndsAt = at.Add(time.Duration(pace.Left.Typical * float64(time.Second)))
	return f, true, nil
}

// pace measures how fast an attempt goes on, and when that was last seen.
func (m *Model) pace(run *Run, attempt Attempt) (p cost.Pace, at time.Time, unit string, ok bool, err error) {
	total := 0.0
	if run.Progress != nil && run.Progress.Unit == "steps" {
		total = float64(run.Progress.Total)
	}
	if total > 0 {
		points, err := m.longest(run.ID)
		if err != nil {
			return p, at, "", false, err
		}
		begun := attempt.StartedAt.UnixMicro()
		steps := make([]cost.Step, 0, len(points.Steps))
		for i, t := range points.Times {
			if t >= begun {
				steps = append(steps, cost.Step{Seconds: float64(t-begun) / 1e6, Done: float64(points.Steps[i])})
				at = time.UnixMicro(t).UTC()
			}
		}
		p, ok = cost.PaceOf(steps, total, pauses(run.Spec.Config)...)
		return p, at, "steps", ok, nil
	}
	// Only how far it is now.
	if run.Progress == nil || run.Progress.Total <= 0 || run.Progress.Done <= 0 || run.ProgressAt.Before(attempt.StartedAt) {
		return p, at, "", false, nil
	}
	p, ok = cost.PaceSoFar(run.ProgressAt.Sub(attempt.StartedAt).Seconds(), float64(run.Progress.Done), float64(run.Progress.Total))
	return p, run.ProgressAt, run.Progress.Unit, ok, nil
}

// pauses are what a training stops for, as far as its configuration tells. What one takes is seen soon; until then an evaluation of so many
// batches is thought to take a third of as many passes, as it has no way back, and a checkpoint two steps.
func pauses(config []byte) (out []cost.Pause) {
	var c struct {
		EvalEvery       float64 `json:"eval_every"`
		EvalBatches     float64 `json:"eval_batches"`
		GradAccum       float64 `json:"grad_accum"`
		CheckpointEvery float64 `json:"checkpoint_every"`
	}
	if json.Unmarshal(config, &c) != nil { // a foreign script's own words
		return nil
	}
	if c.EvalEvery > 0 {
		out = append(out, cost.Pause{Name: "evaluation", Every: c.EvalEvery, Steps: max(0, c.EvalBatches) / max(1, c.GradAccum) / 3, Last: true})
	}
	if c.CheckpointEvery > 0 {
		out = append(out, cost.Pause{Name: "checkpoint", Every: c.CheckpointEvery, Steps: 2, Last: true})
	}
	return out
}

// watts is what the processor of an attempt's worker drew since a time, 0 where it does not tell.
func (m *Model) watts(id event.RunID, attempt Attempt, since time.Time) (float64, error) {
	all, err := m.Series(id, SeriesQuery{Keys: []string{"system/joules"}, Writers: []event.WriterID{event.WriterID(attempt.Worker)}, MaxPoints: forecastPoints})
	if err != nil || len(all) == 0 {
		return 0, err
	}
	s, from := all[0], since.UnixMicro()
	first := 0
	for first < len(s.Steps)-1 && s.Steps[first] < from {
		first++
	}
	last := len(s.Steps) - 1
	if last <= first {
		return 0, nil
	}
	watts := (s.Values[last] - s.Values[first]) / (float64(s.Steps[last]-s.Steps[first]) / 1e6)
	if !(watts > 0) || math.IsInf(watts, 0) {
		return 0, nil
	}
	return watts, nil
}

// longest reads the run's series with the most points, thinned.
func (m *Model) longest(id event.RunID) (Series, error) {
	keys, err := m.Keys(id)
	if err != nil {
		return Series{}, err
	}
	var best SeriesInfo
	for _, k := range keys {
		if !k.Sampled && k.Points > best.Points {
			best = k
		}
	}
	if best.Points == 0 {
		return Series{}, nil
	}
	all, err := m.Series(id, SeriesQuery{Keys: []string{best.Key}, Context: &best.Context, Writers: []event.WriterID{best.Writer}, MaxPoints: forecastPoints})
	if err != nil {
		return Series{}, fmt.Errorf("forecast of %q: %w", id, err)
	}
	if len(all) == 0 {
		return Series{}, nil
	}
	return all[0], nil
}
