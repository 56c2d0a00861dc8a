package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"millrace/client"
	"millrace/services/node"
)

// deleteCmd deletes one thing.
type deleteCmd struct {
	What  string `arg:"" help:"A run, RUN@STEP for a checkpoint, or with --kind a dataset or an experiment."`
	Kind  string `help:"What it is: ${enum}." enum:"run,dataset,experiment" default:"run"`
	Force bool   `help:"A dataset although a recorded run used it."`
}

func (cmd *deleteCmd) Run(ctx context.Context, g *Global) error {
	c := g.client()
	var gone client.Deleted
	var err error
	switch id, step, isCheckpoint := strings.Cut(cmd.What, "@"); {
	case cmd.Kind == "dataset":
		gone, err = c.DeleteDataset(ctx, cmd.What, cmd.Force, "")
	case cmd.Kind == "experiment":
		gone, err = c.DeleteExperiment(ctx, cmd.What, "")
	default:
		var run client.Run
		if run, err = c.Find(ctx, id); err != nil {
			return err
		}
		if !isCheckpoint {
			gone, err = c.DeleteRun(ctx, run.ID, "")
			break
		}
		n, perr := strconv.ParseInt(step, 10, 64)
		if perr != nil {
			return &exitError{exitUsage, fmt.Errorf("%q is no step", step)}
		}
		gone, err = c.DeleteCheckpoint(ctx, run.ID, n, "")
	}
	if err != nil {
		return err
	}
	return g.print(gone, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "deleted %s\n", gone.ID)
		if err == nil && gone.Freed != nil {
			_, err = fmt.Fprintf(w, "frees %s of the read model, and %s of storage with the next millrace gc\n", bytes(gone.Freed.Database), bytes(gone.Freed.Storage))
		}
		return err
	})
}

// gcCmd collects garbage.
type gcCmd struct {
	DryRun  bool          `help:"Only tell what would be removed."`
	Older   time.Duration `help:"Only what is older." default:"24h"`
	Compact bool          `help:"With the node stopped: give back what is free in the read model's file."`
}

func (cmd *gcCmd) Run(ctx context.Context, g *Global) error {
	if cmd.Compact {
		freed, err := node.CompactView(g.Data)
		if err != nil {
			return err
		}
		return g.print(map[string]int64{"freed": freed}, func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "the read model's file is %s shorter\n", bytes(freed))
			return err
		})
	}
	garbage, err := g.client().CollectGarbage(ctx, cmd.Older, cmd.DryRun)
	if err != nil {
		return err
	}
	return g.print(garbage, func(w io.Writer) error {
		verb := "removed"
		if cmd.DryRun {
			verb = "would remove"
		}
		if _, err := fmt.Fprintf(w, "%s %d objects of %s\n", verb, garbage.Objects, bytes(garbage.Bytes)); err != nil {
			return err
		}
		rows := [][]string{{"KEPT", "OBJECTS", "SIZE"}}
		for _, k := range garbage.Kept {
			rows = append(rows, []string{k.Kind, fmt.Sprint(k.Objects), bytes(k.Bytes)})
		}
		return table(w, rows)
	})
}

// retentionCmd shows and sets policies.
type retentionCmd struct {
	Show  retentionShowCmd  `cmd:"" default:"1" help:"Show the policies."`
	Set   retentionSetCmd   `cmd:"" help:"Replace a policy."`
	Apply retentionApplyCmd `cmd:"" help:"Delete now what the policies say; it is done once an hour anyway."`
}

type retentionShowCmd struct{}

func (retentionShowCmd) Run(ctx context.Context, g *Global) error {
	all, err := g.client().Retention(ctx)
	if err != nil {
		return err
	}
	return g.print(all, func(w io.Writer) error {
		if len(all) == 0 {
			_, err := fmt.Fprintln(w, "no policy: everything is kept")
			return err
		}
		for _, p := range all {
			of := "default"
			if p.Experiment != nil {
				of = *p.Experiment
			}
			if _, err := fmt.Fprintf(w, "%s  %s\n", of, p.Policy); err != nil {
				return err
			}
		}
		return nil
	})
}

type retentionSetCmd struct {
	File       string `arg:"" help:"JSON file with the policy; - is standard input." placeholder:"FILE"`
	Experiment string `short:"e" help:"Of the runs of this experiment; the default policy without it."`
	DryRun     bool   `help:"Only tell what it would delete."`
}

func (cmd *retentionSetCmd) Run(ctx context.Context, g *Global) error {
	read := os.Stdin
	if cmd.File != "-" {
		f, err := os.Open(filepath.Clean(cmd.File))
		if err != nil {
			return err
		}
		defer f.Close()
		read = f
	}
	raw, err := io.ReadAll(io.LimitReader(read, 1<<20))
	if err != nil {
		return err
	}
	if !json.Valid(raw) {
		return &exitError{exitUsage, fmt.Errorf("%s is not JSON", cmd.File)}
	}
	plan, err := g.client().SetRetention(ctx, cmd.Experiment, raw, cmd.DryRun, "")
	if err != nil {
		return err
	}
	return printPlan(g, plan, "deletes within the hour")
}

type retentionApplyCmd struct {
	DryRun bool `help:"Only tell what would be deleted."`
}

func (cmd *retentionApplyCmd) Run(ctx context.Context, g *Global) error {
	plan, err := g.client().ApplyRetention(ctx, cmd.DryRun)
	if err != nil {
		return err
	}
	verb := "deleted"
	if cmd.DryRun {
		verb = "would delete"
	}
	return printPlan(g, plan, verb)
}

func printPlan(g *Global, p client.RetentionPlan, verb string) error {
	return g.print(p, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s %d runs and %d checkpoints, prunes %d runs; frees %s of storage with the next millrace gc\n", verb, p.RunCount, p.CheckpointCount, p.Pruned, bytes(p.Freed.Storage))
		if err == nil && p.LogBefore != nil {
			_, err = fmt.Fprintf(w, "the log keeps what happened since %s\n", p.LogBefore.Local().Format(time.DateTime))
		}
		for _, id := range p.Runs {
			if err == nil {
				_, err = fmt.Fprintf(w, "  run %s\n", id)
			}
		}
		for _, c := range p.Checkpoints {
			if err == nil {
				_, err = fmt.Fprintf(w, "  checkpoint %s\n", c)
			}
		}
		return err
	})
}

// snapshotCmd takes a snapshot.
type snapshotCmd struct{}

func (snapshotCmd) Run(ctx context.Context, g *Global) error {
	s, err := g.client().TakeSnapshot(ctx, "")
	if err != nil {
		return err
	}
	return g.print(s, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "snapshot at %d: %s in storage, %s the file\n", s.Seq, bytes(s.Stored), bytes(s.Bytes))
		return err
	})
}

// trimCmd trims the log.
type trimCmd struct {
	Before string `required:"" help:"A place in the log, or a time such as 2026-11-17 or 30d." placeholder:"WHEN"`
	DryRun bool   `help:"Only tell what would be done."`
}

func (cmd *trimCmd) Run(ctx context.Context, g *Global) error {
	seq, err := strconv.ParseInt(cmd.Before, 10, 64)
	var before time.Time
	if err != nil {
		if before, err = instant(cmd.Before, time.Now()); err != nil {
			return &exitError{exitUsage, err}
		}
	}
	t, err := g.client().TrimLog(ctx, before, seq, cmd.DryRun, "")
	if err != nil {
		return err
	}
	return g.print(t, func(w io.Writer) error {
		verb := "the log begins"
		if cmd.DryRun {
			verb = "the log would begin"
		}
		_, err := fmt.Fprintf(w, "%s at %d; %d facts archived in %s, %s of the log freed\n", verb, t.FirstSeq, t.Archived, bytes(t.Stored), bytes(t.Freed))
		if err == nil && t.Held != "" {
			_, err = fmt.Fprintf(w, "more stays because %s\n", t.Held)
		}
		return err
	})
}
