package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"millrace/client"
)

// pauseCmd lets a run stand still.
type pauseCmd struct {
	ID     string `arg:"" name:"run" help:"${run}"`
	Reason string `help:"Why, for the record."`
	Detach bool   `short:"d" help:"Do not wait until it stands."`
}

func (cmd *pauseCmd) Run(ctx context.Context, g *Global) error {
	c := g.client()
	run, err := c.Find(ctx, cmd.ID)
	if err != nil {
		return err
	}
	if run, err = c.Pause(ctx, run.ID, cmd.Reason); err != nil {
		return err
	}
	return await(ctx, g, c, run, cmd.Detach)
}

// resumeCmd lets a run go on.
type resumeCmd struct {
	ID            string  `arg:"" name:"run" help:"${run}"`
	Dollars       float64 `help:"Replaces its budget." placeholder:"N"`
	DeviceSeconds float64 `help:"Replaces its budget." placeholder:"N"`
	Detach        bool    `short:"d" help:"Do not wait for the end."`
}

func (cmd *resumeCmd) Run(ctx context.Context, g *Global) error {
	c := g.client()
	run, err := c.Find(ctx, cmd.ID)
	if err != nil {
		return err
	}
	budget := atMost(cmd.Dollars)
	if cmd.DeviceSeconds > 0 {
		budget = &client.Budget{Dollars: cmd.Dollars, DeviceSeconds: cmd.DeviceSeconds}
	}
	if run, err = c.Resume(ctx, run.ID, budget); err != nil {
		return err
	}
	return await(ctx, g, c, run, cmd.Detach)
}

// atMost is a budget of so many, nil for none.
func atMost(n float64) *client.Budget {
	if n <= 0 {
		return nil
	}
	return &client.Budget{Dollars: n}
}

// forkCmd starts a run from a step of another.
type forkCmd struct {
	ID         string   `arg:"" name:"run" help:"${run}"`
	Step       int64    `help:"Where to begin: the newest checkpoint at or before it (default: the last)." placeholder:"N"`
	Set        []string `short:"s" help:"One setting to change, e.g. -s optimizer.lr=3e-4 -s steps=2000." placeholder:"KEY=VALUE" sep:"none"`
	Name       string   `help:"Name of the new run."`
	Experiment string   `short:"e" help:"Experiment it belongs to (default: that of the run)."`
	Dollars    float64  `help:"Budget of the new run." placeholder:"N"`
	Detach     bool     `short:"d" help:"Do not wait for the end."`
}

func (cmd *forkCmd) Run(ctx context.Context, g *Global) error {
	changes, err := withSettings(json.RawMessage(`{}`), cmd.Set)
	if err != nil {
		return err
	}
	c := g.client()
	of, err := c.Find(ctx, cmd.ID)
	if err != nil {
		return err
	}
	run, err := c.Fork(ctx, client.ForkRun{
		ID: of.ID, Step: cmd.Step, Config: changes, Name: cmd.Name, Experiment: cmd.Experiment, Budget: atMost(cmd.Dollars), By: os.Getenv("USER"),
	})
	if err != nil {
		return err
	}
	if !cmd.Detach {
		fmt.Fprintf(os.Stderr, "run %s  %s/run/%s\n", run.ID, c.URL(), run.ID)
	}
	return await(ctx, g, c, run, cmd.Detach)
}

// rewindCmd takes a run back.
type rewindCmd struct {
	ID   string `arg:"" name:"run" help:"${run}"`
	Step int64  `arg:"" help:"The last step to keep."`
}

func (cmd *rewindCmd) Run(ctx context.Context, g *Global) error {
	c := g.client()
	run, err := c.Find(ctx, cmd.ID)
	if err != nil {
		return err
	}
	if run, err = c.Rewind(ctx, run.ID, cmd.Step); err != nil {
		return err
	}
	return finish(g, run)
}

// starCmd marks a run.
type starCmd struct {
	ID     string `arg:"" name:"run" help:"${run}"`
	Remove bool   `help:"Take the mark away."`
}

func (cmd *starCmd) Run(ctx context.Context, g *Global) error {
	c := g.client()
	run, err := c.Find(ctx, cmd.ID)
	if err != nil {
		return err
	}
	if run, err = c.Star(ctx, run.ID, !cmd.Remove); err != nil {
		return err
	}
	return finish(g, run)
}

// await follows a run to its end, unless it is to be left alone, and prints how it stands.
func await(ctx context.Context, g *Global, c *client.Client, run client.Run, detach bool) error {
	if !detach {
		var err error
		if run, err = follow(ctx, c, run.ID, g.JSON); err != nil {
			return err
		}
	}
	return finish(g, run)
}
