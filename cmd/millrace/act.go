package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"millrace/client"
)

// showScores prints what one suite says of a checkpoint.
func showScores(w io.Writer, all []client.Evaluation, suite string) error {
	rows := [][]string{{"SUITE", "TASK", "METRIC", "VALUE", "N"}}
	var samples []client.Sample
	var failed []client.Failed
	for _, e := range all {
		if e.Suite != suite {
			continue
		}
		samples, failed = append(samples, e.Samples...), append(failed, e.Failed...)
		for _, s := range e.Scores {
			value := number(float64(s.Value))
			if s.Stderr != nil {
				value += " ± " + number(float64(*s.Stderr))
			}
			rows = append(rows, []string{e.Suite, s.Task, s.Metric, value, fmt.Sprint(s.N)})
		}
	}
	if err := table(w, rows); err != nil {
		return err
	}
	for _, f := range failed {
		if _, err := fmt.Fprintf(w, "%s has no scores (%s): %s\n", f.Task, f.Code, f.Message); err != nil {
			return err
		}
	}
	for _, s := range samples {
		if _, err := fmt.Fprintf(w, "sample: %q\n", clip(s.Prompt+s.Text, 160)); err != nil {
			return err
		}
	}
	return nil
}

// reproduceCmd does a run again.
type reproduceCmd struct {
	ID     string `arg:"" name:"run" help:"${run}"`
	Steps  int64  `short:"n" help:"Only the first steps (default: all)." placeholder:"N"`
	Detach bool   `short:"d" help:"Do not wait for the verdict."`
}

func (cmd *reproduceCmd) Run(ctx context.Context, g *Global) error {
	c := g.client()
	of, err := c.Find(ctx, cmd.ID)
	if err != nil {
		return err
	}
	run, warnings, err := c.ReproduceWarned(ctx, of.ID, cmd.Steps)
	if err != nil {
		return err
	}
	for _, w := range warnings {
		fmt.Fprintln(os.Stderr, "another than it was:", w)
	}
	if cmd.Detach {
		return finish(g, run)
	}
	if run, err = verdict(ctx, c, run.ID, g.JSON); err != nil {
		return err
	}
	err = g.print(run, func(w io.Writer) error {
		_, err := fmt.Fprintln(w, verdictLine(*run.Reproduction))
		return err
	})
	if err == nil && run.Reproduction.Verdict != "identical" {
		err = &exitError{exitDifferent, errors.New("the reproduction is not identical")}
	}
	return err
}

// verdict follows a reproduction until it is judged, moments after its end.
func verdict(ctx context.Context, c *client.Client, id string, quiet bool) (client.Run, error) {
	run, err := follow(ctx, c, id, quiet)
	ended := time.Now()
	for err == nil {
		if r := run.Reproduction; r != nil && r.Verdict != "running" {
			return run, nil
		}
		if time.Since(ended) > 30*time.Second {
			return run, fmt.Errorf("run %s has ended (%s), but there is no verdict", id, strings.ToLower(run.Status))
		}
		select {
		case <-ctx.Done():
			return run, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
		run, err = c.Run(ctx, id)
	}
	return run, err
}

func verdictLine(v client.Reproduction) string {
	s := fmt.Sprintf("%s: %d points and %d checkpoint digests compared bit for bit", v.Verdict, v.Points, v.Digests)
	if d := v.FirstDifference; d != nil {
		s += fmt.Sprintf("; first difference at step %d: %s was %s, is %s", d.Step, d.Key, d.Was, d.Is)
	}
	if len(v.Environment) > 0 {
		s += "; the environment differs: " + strings.Join(v.Environment, ", ")
	}
	return s
}

// stopCmd stops a run.
type stopCmd struct {
	ID     string `arg:"" name:"run" help:"${run}"`
	Reason string `help:"Why, for the record."`
	Detach bool   `short:"d" help:"Do not wait until it has stopped."`
}

func (cmd *stopCmd) Run(ctx context.Context, g *Global) error {
	c := g.client()
	run, err := c.Find(ctx, cmd.ID)
	if err != nil {
		return err
	}
	run, err = c.Stop(ctx, run.ID, cmd.Reason)
	if err != nil {
		return err
	}
	if !cmd.Detach {
		if run, err = follow(ctx, c, run.ID, g.JSON); err != nil {
			return err
		}
	}
	return finish(g, run)
}

// watchCmd watches runs.
type watchCmd struct {
	ID string `arg:"" optional:"" name:"run" help:"${run} All runs without one."`
}

func (cmd *watchCmd) Run(ctx context.Context, g *Global) error {
	c := g.client()
	if cmd.ID != "" {
		run, err := c.Find(ctx, cmd.ID)
		if err != nil {
			return err
		}
		run, err = follow(ctx, c, run.ID, g.JSON)
		if err != nil {
			return err
		}
		return finish(g, run)
	}
	return c.WatchRuns(ctx, nil, func(r client.Run) error {
		return g.print(r, func(w io.Writer) error {
			line := fmt.Sprintf("%-18s", clip(r.Name, 18))
			if r.Progress != nil {
				line = progressLine(r)
			}
			_, err := fmt.Fprintf(w, "%s  %-8s %s\n", time.Now().Format(time.TimeOnly), strings.ToLower(r.Status), line)
			return err
		})
	})
}

// eventsCmd prints the log.
type eventsCmd struct {
	From   int64    `help:"First place in the log (1 is the first fact)." default:"1"`
	Follow bool     `short:"f" help:"Go on with new facts."`
	Type   []string `help:"Only these types, e.g. checkpoint.saved." placeholder:"TYPE,…"`
}

func (cmd *eventsCmd) Run(ctx context.Context, g *Global) error {
	c := g.client()
	var until int64
	if !cmd.Follow {
		_, _, lastSeq, _, err := c.System(ctx)
		if err != nil {
			return err
		}
		if until = lastSeq; until < cmd.From {
			return nil
		}
	}
	if len(cmd.Type) > 0 && !cmd.Follow {
		// The last fact may be of another type: read them all and leave out what was not asked for.
		wanted := map[string]bool{}
		for _, t := range cmd.Type {
			wanted[t] = true
		}
		return c.Events(ctx, cmd.From, until, nil, func(e client.LoggedEvent) error {
			if !wanted[e.Type] {
				return nil
			}
			return printEvent(g, e)
		})
	}
	return c.Events(ctx, cmd.From, until, cmd.Type, func(e client.LoggedEvent) error { return printEvent(g, e) })
}

func printEvent(g *Global, e client.LoggedEvent) error {
	return g.print(e, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%7d  %s  %-22s %s\n", e.Seq, e.Time.Local().Format("15:04:05.000"), e.Type, clip(sentence(e), 240))
		return err
	})
}
