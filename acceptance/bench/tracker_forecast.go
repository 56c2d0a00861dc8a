package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"

	"millrace/client"
)

// forecastTakes is how long the real training takes, about: as many steps as a short one before it did in the time.
const forecastTakes = 200 * time.Second

// foretold is what a node says of a run that goes on.
type foretold struct {
	Status   string
	Forecast *struct {
		Dollars, DeviceSeconds, SecondsLeft client.Range
		Joules                              *float64
		Uncertain                           bool
		Basis                               string
	}
	Seconds float64
	Cost    struct {
		Dollars, DeviceSeconds float64
		Joules                 *float64
	}
}

// trackerForecast trains a small model for some minutes through a node, asks after one what it will take, and compares that with what it took.
func trackerForecast(ctx context.Context, b *bench) (_ []Row, err error) {
	text, err := someText(filepath.Join(b.tmp, "forecast-text"))
	if err != nil {
		return nil, err
	}
	url, _, _, stop, err := b.node(ctx, filepath.Join(b.tmp, "forecast"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop(), os.RemoveAll(filepath.Join(b.tmp, "forecast"))) }()
	c := client.New(url, "")
	folder, err := json.Marshal(text)
	if err != nil {
		return nil, err
	}
	set, err := ended(ctx, c, client.StartRun{Kind: "CURATE", Config: fmt.Appendf(nil, `{"name": "sums", "sources": [{"folder": %s}], "held_out": 0.1, "tokenizer": {"kind": "char"}}`, folder)})
	if err != nil {
		return nil, err
	}
	training := func(steps int) client.StartRun {
		return client.StartRun{
			Kind: "TRAIN", Inputs: []client.Input{{Role: "dataset", Digest: set.Output("dataset")}}, Suites: []string{},
			Config: fmt.Appendf(nil, `{"model": {"n_layer": 4, "n_head": 4, "d_model": 128, "context": 64}, "batch_size": 12, "steps": %d, "seed": 7,
				"checkpoint_every": %d, "eval_every": %d, "eval_batches": 20}`, steps, max(1, steps/8), max(1, steps/10)),
		}
	}
	const short = 150
	before, err := ended(ctx, c, training(short))
	if err != nil {
		return nil, err
	}
	run, err := c.Start(ctx, training(max(short, int(short*forecastTakes.Seconds()/float64(before.Seconds)))))
	if err != nil {
		return nil, err
	}
	ask := func() (r foretold, err error) {
		var data struct{ Run foretold }
		err = c.Do(ctx, `query($id: ID!) { run(id: $id) { status seconds cost { dollars deviceSeconds joules }
			forecast { dollars { low typical high } deviceSeconds { low typical high } secondsLeft { low typical high } joules uncertain basis } } }`, map[string]any{"id": run.ID}, &data)
		return data.Run, err
	}
	var early foretold
	for early.Seconds < 60 {
		time.Sleep(200 * time.Millisecond)
		if early, err = ask(); err != nil {
			return nil, err
		}
		if early.Status != "RUNNING" && early.Status != "PENDING" {
			return nil, fmt.Errorf("the run was %s after %.0f s: too short to foretell", early.Status, early.Seconds)
		}
	}
	f := early.Forecast
	if f == nil {
		return nil, errors.New("nothing is foretold after a minute")
	}
	if err := c.WatchRun(ctx, run.ID, func(client.Run) error { return nil }); err != nil {
		return nil, err
	}
	end, err := ask()
	if err != nil {
		return nil, err
	}
	if end.Status != "FINISHED" {
		return nil, fmt.Errorf("the run is %s", end.Status)
	}
	note := fmt.Sprintf("of %.0f s, asked at %.0f s; foretold %.0f (%.0f to %.0f) s; %s", end.Seconds, early.Seconds, early.Seconds+float64(f.SecondsLeft.Typical),
		early.Seconds+float64(f.SecondsLeft.Low), early.Seconds+float64(f.SecondsLeft.High), f.Basis)
	off := func(name string, got, took float64) Row {
		return Row{Name: "forecast_" + name, Value: 100 * math.Abs(got/took-1), Unit: "% off", Better: "lower", Bar: ptr(10), Note: note}
	}
	rows := []Row{
		off("seconds", early.Seconds+float64(f.SecondsLeft.Typical), end.Seconds),
		off("device_seconds", float64(f.DeviceSeconds.Typical), end.Cost.DeviceSeconds),
		off("dollars", float64(f.Dollars.Typical), end.Cost.Dollars),
	}
	if f.Joules != nil && end.Cost.Joules != nil {
		rows = append(rows, off("joules", *f.Joules, *end.Cost.Joules))
	}
	return rows, nil
}
