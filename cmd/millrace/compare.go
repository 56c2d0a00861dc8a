package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"millrace/client"
	"millrace/event"
)

// compareCmd compares runs.
type compareCmd struct {
	Runs []string `arg:"" name:"run" help:"Two runs or more. ${run}"`
}

func (cmd *compareCmd) Run(ctx context.Context, g *Global) error {
	if len(cmd.Runs) < 2 {
		return &exitError{exitUsage, fmt.Errorf("compare: name two runs or more")}
	}
	node := g.client()
	ids := make([]string, len(cmd.Runs))
	for i, r := range cmd.Runs {
		run, err := node.Find(ctx, r)
		if err != nil {
			return err
		}
		ids[i] = run.ID
	}
	c, err := node.Compare(ctx, ids)
	if err != nil {
		return err
	}
	return g.print(c, func(w io.Writer) error { return showComparison(w, c) })
}

// showComparison is a table with a column for each run: what differs first, then how they did, then what they cost.
func showComparison(w io.Writer, c client.Comparison) error {
	heading, ids := []string{""}, []string{"run"}
	for _, r := range c.Runs {
		heading, ids = append(heading, clip(r.Name, 26)), append(ids, r.ID)
	}
	rows := [][]string{heading, ids}
	for _, d := range c.Config {
		row := []string{d.Path}
		for _, v := range d.Values {
			row = append(row, compact(v))
		}
		rows = append(rows, row)
	}
	for _, d := range append(c.Inputs, c.Environment...) {
		if d.Field == "code.spec_digest" { // says what the rows above say
			continue
		}
		row := []string{d.Field}
		for _, v := range d.Values {
			if v == nil {
				row = append(row, "-")
			} else {
				row = append(row, clip(*v, 24))
			}
		}
		rows = append(rows, row)
	}
	rows = append(rows, nil)
	for _, m := range c.Metrics {
		switch m.Key {
		case "train/loss", "val/loss", "tokens_per_second":
			rows = append(rows, append([]string{m.Key}, numbers(m.Last, nil)...))
		}
	}
	for _, s := range c.Scores {
		rows = append(rows, append([]string{s.Suite + " " + s.Task + " " + s.Metric}, numbers(s.Values, s.Stderr)...))
	}
	rows = append(rows, nil)
	for _, field := range []struct {
		name string
		of   func(client.Run) string
	}{
		{"tokens", func(r client.Run) string { return count(float64(r.Cost.Tokens)) }},
		{"seconds", func(r client.Run) string { return number(float64(r.Seconds)) }},
		{"device-seconds", func(r client.Run) string { return number(float64(r.Cost.DeviceSeconds)) }},
		{"joules", func(r client.Run) string {
			if r.Cost.Joules == nil {
				return "not told by the device"
			}
			return count(float64(*r.Cost.Joules))
		}},
		{"dollars", func(r client.Run) string { return dollars(float64(r.Cost.Dollars)) }},
	} {
		row := []string{field.name}
		for _, r := range c.Runs {
			row = append(row, field.of(r))
		}
		rows = append(rows, row)
	}
	return table(w, rows)
}

func numbers(values, stderrs []*event.Number) []string {
	out := make([]string, len(values))
	for i, v := range values {
		if v == nil {
			out[i] = "-"
			continue
		}
		out[i] = number(float64(*v))
		if i < len(stderrs) && stderrs[i] != nil {
			out[i] += " ± " + number(float64(*stderrs[i]))
		}
	}
	return out
}

// compact is a JSON value for a table's cell.
func compact(v json.RawMessage) string {
	if len(v) == 0 || string(v) == "null" {
		return "-"
	}
	return clip(strings.Trim(string(v), `"`), 24)
}
