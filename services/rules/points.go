package rules

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"

	"millrace/event"
)

const (
	// lookEvery is how often at most a run's new points are shown to rules.
	lookEvery = time.Second
	// maxHeld bounds how many values of a series wait to be shown: of more the newest are, and NaNs and infinities among the others.
	maxHeld = 10_000
	// maxSeries bounds how many series of a run one look shows.
	maxSeries = 200
	// rememberEvery is how often the place is written down up to which points were shown.
	rememberEvery = 5 * time.Second
)

// collector holds new points until they are shown.
type collector struct {
	runs map[event.RunID]*fresh
}

// fresh is what is new of a run.
type fresh struct {
	env    event.Envelope // of the newest
	since  time.Time      // when it was shown last
	series map[string]*held
}

type held struct {
	values []float64
	step   int64
}

// add takes the points of a message that some pattern fits.
func (c *collector) add(env event.Envelope, m event.MetricsLogged, wanted func(key string) bool) {
	for _, f := range m.Frames {
		for _, x := range f.Series {
			if len(x.Values) == 0 || !wanted(x.Key) {
				continue
			}
			if c.runs == nil {
				c.runs = map[event.RunID]*fresh{}
			}
			of := c.runs[f.Run]
			if of == nil {
				of = &fresh{}
				c.runs[f.Run] = of
			}
			if of.series == nil {
				of.series = map[string]*held{}
			}
			h := of.series[x.Key]
			if h == nil {
				if len(of.series) >= maxSeries {
					continue
				}
				h = &held{}
				of.series[x.Key] = h
			}
			h.values = append(h.values, x.Values...)
			if more := len(h.values) - maxHeld; more > 0 {
				odd := slices.DeleteFunc(slices.Clone(h.values[:more]), func(v float64) bool { return v-v == 0 })
				h.values = append(odd[:min(len(odd), 1)], h.values[more:]...)
			}
			h.step, of.env = x.Steps[len(x.Steps)-1], env
		}
	}
}

// wanted tells which series some rule is on.
func wanted(rules []*Rule) func(key string) bool {
	return func(key string) bool {
		return slices.ContainsFunc(rules, func(r *Rule) bool { return r.On == Points && fits(r.Metric, key) })
	}
}

// due takes out what is to be shown at a moment, by run.
func (c *collector) due(now time.Time, show func(run event.RunID, of *fresh) error) error {
	for _, run := range sortedKeys(c.runs) {
		of := c.runs[run]
		switch {
		case len(of.series) == 0 && now.Sub(of.since) > time.Minute:
			delete(c.runs, run)
		case len(of.series) > 0 && now.Sub(of.since) >= lookEvery:
			if err := show(run, of); err != nil {
				return err
			}
			of.series, of.since = nil, now
		}
	}
	return nil
}

// show asks the rules on points about a run's new ones.
func (d decider) show(ctx context.Context, rules []*Rule, run event.RunID, of *fresh, say func(*event.RuleFired) error) error {
	for _, key := range sortedKeys(of.series) {
		h := of.series[key]
		for _, r := range rules {
			if r.On != Points || !fits(r.Metric, key) {
				continue
			}
			fired, err := d.decide(ctx, r, &state{model: d.model, env: of.env, run: run, key: key, values: h.values, step: h.step})
			if err == nil && fired != nil {
				err = say(fired)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// place is how far points were shown, of which log.
type place struct {
	Log string `json:"log"`
	Seq uint64 `json:"seq"`
}

func (s *Service) placeFile() string { return filepath.Join(s.Dir, "rules.json") }

// followPoints shows new points to the rules on them. It begins where it was; what it shows twice is decided once.
func (s *Service) followPoints(ctx context.Context) error {
	state, err := s.Bus.State(ctx)
	if err != nil {
		return err
	}
	if err := s.Model.WaitFor(ctx, state.Last); err != nil {
		return err
	}
	rules, err := s.rules()
	if err != nil {
		return err
	}
	at := place{Log: state.Identity, Seq: state.Last}
	for _, r := range rules { // without a place: from where the first of them is in force
		if r.On == Points {
			at.Seq = min(at.Seq, r.since)
		}
	}
	if raw, err := os.ReadFile(s.placeFile()); s.Dir != "" && err == nil {
		var was place
		if json.Unmarshal(raw, &was) == nil && was.Log == at.Log && was.Seq <= state.Last {
			at.Seq = was.Seq
		}
	}
	at.Seq = max(at.Seq, state.First, 1) - 1
	s.remember(at)
	news := make(chan event.Envelope, 256)
	failed := make(chan error, 1)
	following, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		failed <- s.Bus.Follow(following, at.Seq+1, []string{event.MetricsLogged{Gateway: "*"}.Subject()}, func(env event.Envelope) error {
			select {
			case news <- env:
				return nil
			case <-following.Done():
				return following.Err()
			}
		})
	}()
	var c collector
	tick := time.NewTicker(lookEvery / 4)
	defer tick.Stop()
	remembered := s.Now()
	shown := at.Seq
	for {
		select {
		case err := <-failed:
			return err
		case env := <-news:
			if rules, err = s.rules(); err != nil {
				return errors.Join(ctx.Err(), err)
			}
			if m, ok := env.Event.(event.MetricsLogged); ok {
				c.add(env, m, wanted(rules))
			}
			shown = env.Seq
			continue
		case <-tick.C:
		}
		now := s.Now()
		err := c.due(now, func(run event.RunID, of *fresh) error {
			if err := s.Model.WaitFor(ctx, of.env.Seq); err != nil {
				return err
			}
			if rules, err = s.rules(); err != nil {
				return err
			}
			return decider{model: s.Model}.show(ctx, rules, run, of, func(f *event.RuleFired) error { return s.say(ctx, f) })
		})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			s.Log.Warn("metric points could not be shown to rules, and will be", "error", err)
			continue
		}
		if now.Sub(remembered) >= rememberEvery && shown > at.Seq && !c.waits() {
			at.Seq, remembered = shown, now
			s.remember(at)
		}
	}
}

// waits tells whether something has not been shown yet.
func (c *collector) waits() bool {
	for _, of := range c.runs {
		if len(of.series) > 0 {
			return true
		}
	}
	return false
}

// remember writes the place down: what is before it was shown.
func (s *Service) remember(at place) {
	if s.Dir == "" {
		return
	}
	raw, err := json.Marshal(at)
	if err == nil {
		next := s.placeFile() + ".new"
		if err = os.WriteFile(next, raw, 0o600); err == nil {
			err = os.Rename(next, s.placeFile())
		}
	}
	if err != nil {
		s.Log.Warn("how far points were shown to rules could not be written down", "error", err)
	}
}
