package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"millrace/client"
)

// sweepCmd tries configurations.
type sweepCmd struct {
	Start sweepStartCmd `cmd:"" help:"Start a sweep from a file."`
	Show  sweepShowCmd  `cmd:"" help:"Show a sweep: its trials, how far they came, the best."`
	List  sweepListCmd  `cmd:"" help:"List sweeps."`
	Stop  sweepStopCmd  `cmd:"" help:"End a sweep and stop its runs."`
}

// Help says what a file holds.
func (sweepCmd) Help() string {
	return `A file is a JSON object (docs/sweeps.md):

  {"name": "rates", "dataset": "mill", "config": {"steps": 400}, "method": "asha", "metric": "val/loss", "direction": "min",
   "maxRuns": 9, "parallel": 2, "minSteps": 50, "maxSteps": 400,
   "space": {"optimizer.lr": {"min": 1e-4, "max": 1e-2, "log": true}, "batch_size": {"values": [4, 8]}}}`
}

// sweepStartCmd starts one.
type sweepStartCmd struct {
	File   string `arg:"" type:"existingfile" help:"The sweep, as JSON."`
	Follow bool   `short:"f" help:"Wait for its end."`
}

const (
	maxSweepFile = 1 << 20
	sweepFields  = `{ id name experiment method metric direction maxRuns parallel rungs status startedAt endedAt best bestValue trials { number run status settings rung scores { rung steps value message } } }`
)

func (cmd *sweepStartCmd) Run(ctx context.Context, g *Global) error {
	raw, err := os.ReadFile(cmd.File)
	if err != nil {
		return err
	}
	if len(raw) > maxSweepFile {
		return &exitError{exitUsage, fmt.Errorf("%s has more than %s", cmd.File, bytes(maxSweepFile))}
	}
	var input map[string]any
	if err := json.Unmarshal(raw, &input); err != nil {
		return &exitError{exitUsage, fmt.Errorf("%s: %w", cmd.File, err)}
	}
	if dataset, ok := input["dataset"]; ok {
		delete(input, "dataset")
		list, _ := input["inputs"].([]any)
		input["inputs"] = append(list, map[string]any{"role": "dataset", "digest": dataset})
	}
	s, err := wishSweep(ctx, g, "startSweep", "StartSweepInput", input)
	if err != nil {
		return err
	}
	for cmd.Follow && s.Status == "running" {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
		if s, err = findSweep(ctx, g, s.ID); err != nil {
			return err
		}
	}
	return g.print(s, s.show)
}

// sweepShowCmd shows one.
type sweepShowCmd struct {
	Sweep string `arg:"" help:"A sweep: its id, or its name (the newest of that name)."`
}

func (cmd *sweepShowCmd) Run(ctx context.Context, g *Global) error {
	s, err := findSweep(ctx, g, cmd.Sweep)
	if err != nil {
		return err
	}
	return g.print(s, s.show)
}

// sweepListCmd lists them.
type sweepListCmd struct{}

func (sweepListCmd) Run(ctx context.Context, g *Global) error {
	var got struct{ Sweeps []sweep }
	if err := g.client().Do(ctx, `query { sweeps `+sweepFields+` }`, nil, &got); err != nil {
		return err
	}
	return g.print(got.Sweeps, func(w io.Writer) error {
		rows := [][]string{{"NAME", "ID", "METHOD", "STATUS", "TRIALS", "BEST"}}
		for _, s := range got.Sweeps {
			rows = append(rows, []string{s.Name, s.ID, s.Method, s.Status, fmt.Sprintf("%d of %d", len(s.Trials), s.MaxRuns), s.best()})
		}
		return table(w, rows)
	})
}

// sweepStopCmd ends one.
type sweepStopCmd struct {
	Sweep string `arg:"" help:"A sweep: its id, or its name (the newest of that name)."`
}

func (cmd *sweepStopCmd) Run(ctx context.Context, g *Global) error {
	s, err := wishSweep(ctx, g, "stopSweep", "StopSweepInput", map[string]any{"id": cmd.Sweep})
	if err != nil {
		return err
	}
	return g.print(s, s.show)
}

// sweep is a sweep as GraphQL draws it.
type sweep struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	Experiment *string    `json:"experiment"`
	Method     string     `json:"method"`
	Metric     string     `json:"metric"`
	Direction  string     `json:"direction"`
	MaxRuns    int        `json:"maxRuns"`
	Parallel   int        `json:"parallel"`
	Rungs      []int64    `json:"rungs"`
	Status     string     `json:"status"`
	StartedAt  time.Time  `json:"startedAt"`
	EndedAt    *time.Time `json:"endedAt"`
	Best       *string    `json:"best"`
	BestValue  *float64   `json:"bestValue"`
	Trials     []struct {
		Number   int                        `json:"number"`
		Run      string                     `json:"run"`
		Status   *string                    `json:"status"`
		Settings map[string]json.RawMessage `json:"settings"`
		Rung     int                        `json:"rung"`
		Scores   []struct {
			Rung    int      `json:"rung"`
			Steps   int64    `json:"steps"`
			Value   *float64 `json:"value"`
			Message *string  `json:"message"`
		} `json:"scores"`
	} `json:"trials"`
}

func (s sweep) best() string {
	if s.BestValue == nil {
		return "-"
	}
	return number(*s.BestValue)
}

// show prints a sweep for people.
func (s sweep) show(w io.Writer) error {
	fmt.Fprintf(w, "%s  %s  %s by %s (%s), %s\n", s.Name, s.ID, s.Method, s.Metric, s.Direction, s.Status)
	if len(s.Rungs) > 0 {
		fmt.Fprintf(w, "compared after %v steps\n", s.Rungs)
	}
	if s.Best != nil {
		fmt.Fprintf(w, "best  %s  %s\n", *s.Best, s.best())
	}
	rows := [][]string{{"TRIAL", "RUN", "STATUS", "RUNG", "STEPS", "VALUE", "SETTINGS"}}
	for _, t := range s.Trials {
		steps, value, status := "-", "-", "refused"
		if t.Status != nil {
			status = strings.ToLower(*t.Status)
		}
		if n := len(t.Scores); n > 0 {
			last := t.Scores[n-1]
			steps = fmt.Sprint(last.Steps)
			if last.Value != nil {
				value = number(*last.Value)
			} else if last.Message != nil {
				value = *last.Message
			}
		}
		raw, err := json.Marshal(t.Settings)
		if err != nil {
			return err
		}
		rows = append(rows, []string{fmt.Sprint(t.Number), t.Run, status, fmt.Sprint(t.Rung), steps, value, string(raw)})
	}
	return table(w, rows)
}

func findSweep(ctx context.Context, g *Global, id string) (sweep, error) {
	var got struct{ Sweep *sweep }
	if err := g.client().Do(ctx, `query ($id: String!) { sweep(id: $id) `+sweepFields+` }`, map[string]any{"id": id}, &got); err != nil {
		return sweep{}, err
	}
	if got.Sweep == nil {
		return sweep{}, &advised{&exitError{exitRefused, fmt.Errorf("there is no sweep %q", id)}, "list them with: millrace sweep list"}
	}
	return *got.Sweep, nil
}

// wishSweep asks for something and returns the sweep, or why not.
func wishSweep(ctx context.Context, g *Global, mutation, kind string, input map[string]any) (sweep, error) {
	var got map[string]struct {
		Sweep      *sweep
		UserErrors []client.UserError
	}
	err := g.client().Do(ctx, `mutation ($input: `+kind+`!) { `+mutation+`(input: $input) { sweep `+sweepFields+` userErrors { message code field hint } } }`, map[string]any{"input": input}, &got)
	if err != nil {
		return sweep{}, err
	}
	answer := got[mutation]
	if len(answer.UserErrors) > 0 {
		return sweep{}, &client.Refused{Errors: answer.UserErrors}
	}
	if answer.Sweep == nil {
		return sweep{}, errors.New(cmp.Or(mutation, "the node") + " answered without a sweep")
	}
	return *answer.Sweep, nil
}
