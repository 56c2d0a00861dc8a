package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"

	"millrace/client"
)

// logCmd logs points from a shell.
type logCmd struct {
	Args  []string `arg:"" name:"run key=value" help:"A run (default: $$MILLRACE_RUN), and metrics: acc=0.71."`
	Step  int64    `help:"Step of the points." default:"0"`
	Param []string `help:"Hyper-parameters, e.g. --param lr=3e-4." placeholder:"KEY=VALUE" sep:"none"`
	Note  string   `help:"Replace the run's note."`

	Patience time.Duration `help:"How long to wait for the node; the journal keeps what it did not take." default:"10s"`
}

func (cmd *logCmd) Run(ctx context.Context, g *Global) error {
	what, metrics := os.Getenv("MILLRACE_RUN"), cmd.Args
	if !strings.Contains(metrics[0], "=") {
		what, metrics = metrics[0], metrics[1:]
	}
	if what == "" {
		return &exitError{exitUsage, errors.New("log: which run? Name it first, or set MILLRACE_RUN")}
	}
	values := map[string]float64{}
	for _, m := range metrics {
		key, text, ok := strings.Cut(m, "=")
		v, err := strconv.ParseFloat(text, 64)
		if !ok || key == "" || err != nil && !errors.Is(err, strconv.ErrRange) {
			return &exitError{exitUsage, fmt.Errorf("log: %q is not of the form key=number", m)}
		}
		values[key] = v
	}
	params, err := pairs(cmd.Param)
	if err != nil {
		return err
	}
	if len(values) == 0 && len(params) == 0 && cmd.Note == "" {
		return &exitError{exitUsage, errors.New("log: nothing to log: give key=number, --param or --note")}
	}
	c := g.client()
	if len(what) != 26 { // an id needs no node
		run, err := c.Find(ctx, what)
		if err != nil {
			return err
		}
		what = run.ID
	}
	run, err := client.Open(client.RunOptions{Server: c.URL(), Token: g.Token, ID: what, Join: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	run.Log(cmd.Step, values)
	if len(params) > 0 {
		run.Params(params)
	}
	if cmd.Note != "" {
		run.Note(cmd.Note)
	}
	ctx, cancel := context.WithTimeout(ctx, cmd.Patience)
	defer cancel()
	err = run.Close(ctx)
	if wrong := run.Err(); errors.Is(wrong, client.ErrSetAside) || errors.Is(wrong, client.ErrDropped) {
		return wrong
	}
	switch {
	case errors.Is(err, client.ErrNotSent):
		fmt.Fprintf(os.Stderr, "millrace: %s\n  what to do: nothing is lost: it is sent by the next command that logs, or by: millrace sync\n", plain(err))
	case err != nil:
		return err
	}
	return g.print(map[string]any{"run": what, "sent": err == nil}, func(io.Writer) error { return nil })
}

// pairs reads KEY=VALUE settings; values are JSON, or else text.
func pairs(settings []string) (map[string]any, error) {
	raw, err := withSettings([]byte(`{}`), settings)
	if err != nil {
		return nil, err
	}
	return mapping(raw)
}
