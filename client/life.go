package client

import (
	"context"
	"encoding/json"
)

// Pause asks a run to stand still at its next safe point.
func (c *Client) Pause(ctx context.Context, id, reason string) (run Run, err error) {
	err = c.mutate(ctx, `mutation($input: PauseRunInput!) { pauseRun(input: $input) { run {`+runFields+`} userErrors { field message hint code } } }`, "pauseRun", "run",
		map[string]any{"id": id, "reason": reason}, &run)
	return run, err
}

// Budget is what a run may spend; a zero is no bound.
type Budget struct {
	Dollars       float64 `json:"dollars,omitempty"`
	DeviceSeconds float64 `json:"deviceSeconds,omitempty"`
}

// Resume lets a run that stands still go on from its newest checkpoint, under another budget if one is given.
func (c *Client) Resume(ctx context.Context, id string, budget *Budget) (run Run, err error) {
	input := map[string]any{"id": id}
	if budget != nil {
		input["budget"] = budget
	}
	err = c.mutate(ctx, `mutation($input: ResumeRunInput!) { resumeRun(input: $input) { run {`+runFields+`} userErrors { field message hint code } } }`, "resumeRun", "run", input, &run)
	return run, err
}

// ForkRun asks for a run that goes on from a step of another.
type ForkRun struct {
	ID   string `json:"id"`
	Step int64  `json:"step,omitempty"` // 0 is the last checkpoint
	// Config changes the run's configuration, by its keys or by dotted paths.
	Config     json.RawMessage `json:"config,omitempty"`
	Name       string          `json:"name,omitempty"`
	Experiment string          `json:"experiment,omitempty"`
	Budget     *Budget         `json:"budget,omitempty"`
	By         string          `json:"by,omitempty"`
}

// Fork starts a run that goes on from a step of another with some settings changed.
func (c *Client) Fork(ctx context.Context, f ForkRun) (run Run, err error) {
	err = c.mutate(ctx, `mutation($input: ForkRunInput!) { forkRun(input: $input) { run {`+runFields+`} userErrors { field message hint code } } }`, "forkRun", "run", f, &run)
	return run, err
}

// Rewind hides what a run logged after a step; resumed, it goes on from the newest checkpoint at or before it.
func (c *Client) Rewind(ctx context.Context, id string, step int64) (run Run, err error) {
	err = c.mutate(ctx, `mutation($input: RewindRunInput!) { rewindRun(input: $input) { run {`+runFields+`} userErrors { field message hint code } } }`, "rewindRun", "run",
		map[string]any{"id": id, "step": step}, &run)
	return run, err
}

// Star marks a run as worth coming back to, or takes the mark away.
func (c *Client) Star(ctx context.Context, id string, starred bool) (run Run, err error) {
	err = c.mutate(ctx, `mutation($input: StarRunInput!) { starRun(input: $input) { run {`+runFields+`} userErrors { field message hint code } } }`, "starRun", "run",
		map[string]any{"id": id, "starred": starred}, &run)
	return run, err
}

// ReproduceWarned is Reproduce, and tells what is known before it starts to be another than it was, "field: a → b".
func (c *Client) ReproduceWarned(ctx context.Context, id string, steps int64) (run Run, warnings []string, err error) {
	input := map[string]any{"id": id}
	if steps > 0 {
		input["steps"] = steps
	}
	var data struct {
		ReproduceRun struct {
			Run      Run
			Warnings []string
			Refused
		}
	}
	err = c.Do(ctx, `mutation($input: ReproduceRunInput!) { reproduceRun(input: $input) { run {`+runFields+`} warnings errors: userErrors { field message hint code } } }`,
		map[string]any{"input": input}, &data)
	if err == nil && len(data.ReproduceRun.Errors) > 0 {
		err = &Refused{Errors: data.ReproduceRun.Errors}
	}
	return data.ReproduceRun.Run, data.ReproduceRun.Warnings, err
}
