package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"millrace/client"
)

// evalCmd judges a checkpoint, or a model elsewhere.
type evalCmd struct {
	Checkpoint string `arg:"" optional:"" help:"RUN (its last checkpoint), RUN@STEP, RUN@last, RUN@ALIAS, EXPERIMENT:ALIAS or a digest."`
	Suite      string `help:"Suite to judge it on: NAME or NAME@VERSION." default:"quick"`
	Detach     bool   `short:"d" help:"Do not wait for the end."`

	API          string  `help:"Judge a model that is elsewhere instead: the URL before /chat/completions." placeholder:"URL" group:"Models elsewhere"`
	Model        string  `help:"Its name there." placeholder:"NAME" group:"Models elsewhere"`
	APIKeyEnv    string  `help:"Environment variable of the node that holds the key; its name ends in _API_KEY." placeholder:"X_API_KEY" group:"Models elsewhere"`
	AllowPrivate bool    `help:"The address may be one that is not of the public internet." group:"Models elsewhere"`
	DollarsIn    float64 `help:"US dollars for a million tokens of what is asked." placeholder:"N" group:"Models elsewhere"`
	DollarsOut   float64 `help:"US dollars for a million tokens of what is answered." placeholder:"N" group:"Models elsewhere"`
	APILogProbs  bool    `name:"api-logprobs" help:"Its server echoes prompts with log-probabilities on /completions, as vLLM and millrace do: then multiple choice and texts are scored, too." group:"Models elsewhere"`
	APIPrefix    string  `name:"api-prefix" help:"With it: text of the token that begins a text there, as <|endoftext|>, where the server does not begin one by itself." placeholder:"TEXT" group:"Models elsewhere"`
	Rate         float64 `help:"At most so many requests a second." placeholder:"N" group:"Models elsewhere"`
	Experiment   string  `short:"e" help:"Experiment in which it is a row." group:"Models elsewhere"`
	Name         string  `help:"Name of the run that stands for it." group:"Models elsewhere"`
}

func (cmd *evalCmd) Run(ctx context.Context, g *Global) error {
	if (cmd.API != "") == (cmd.Checkpoint != "") {
		return &exitError{exitUsage, fmt.Errorf("eval: name a checkpoint, or a model elsewhere with --api and --model")}
	}
	if cmd.API != "" {
		return cmd.elsewhere(ctx, g)
	}
	c := g.client()
	of, err := c.FindCheckpoint(ctx, cmd.Checkpoint)
	if run, _, at := strings.Cut(cmd.Checkpoint, "@"); at && errors.Is(err, client.ErrNotFound) {
		return &advised{err, "list them with: millrace show " + run}
	}
	if err != nil {
		return err
	}
	run, err := c.EvaluateStep(ctx, of.Run, of.Step, cmd.Suite)
	if err != nil {
		return err
	}
	if run, err = cmd.ended(ctx, g, c, run); err != nil || cmd.Detach {
		return err
	}
	checkpoints, err := c.Checkpoints(ctx, of.Run)
	if err != nil {
		return err
	}
	for _, k := range checkpoints {
		if k.Step == of.Step {
			return g.print(k, func(w io.Writer) error { return showScores(w, k.Evaluations, suiteName(cmd.Suite)) })
		}
	}
	return finish(g, run)
}

// suiteName is a suite's name without its version.
func suiteName(what string) string {
	name, _, _ := named(what)
	return name
}

// elsewhere judges a model behind an API.
func (cmd *evalCmd) elsewhere(ctx context.Context, g *Global) error {
	api := map[string]any{"endpoint": cmd.API, "model": cmd.Model}
	for key, v := range map[string]float64{"dollars_in": cmd.DollarsIn, "dollars_out": cmd.DollarsOut, "rate": cmd.Rate} {
		if v != 0 {
			api[key] = v
		}
	}
	if cmd.APIKeyEnv != "" {
		api["api_key_env"] = cmd.APIKeyEnv
	}
	if cmd.APILogProbs {
		api["logprobs"] = true
	}
	if cmd.APIPrefix != "" {
		api["prefix"] = cmd.APIPrefix
	}
	if cmd.AllowPrivate {
		api["allow_private"] = true
	}
	config, err := json.Marshal(map[string]any{"suite": cmd.Suite, "api": api})
	if err != nil {
		return err
	}
	c := g.client()
	run, err := c.Start(ctx, client.StartRun{Kind: "EVALUATE", Name: cmd.Name, Experiment: cmd.Experiment, Config: config, By: os.Getenv("USER")})
	if err != nil {
		return err
	}
	if run, err = cmd.ended(ctx, g, c, run); err != nil || cmd.Detach {
		return err
	}
	all, err := c.Evaluations(ctx, run.ID)
	if err != nil {
		return err
	}
	return g.print(all, func(w io.Writer) error { return showScores(w, all, suiteName(cmd.Suite)) })
}

// ended follows an evaluation to its good end, unless that is not waited for.
func (cmd *evalCmd) ended(ctx context.Context, g *Global, c *client.Client, run client.Run) (client.Run, error) {
	if cmd.Detach {
		return run, finish(g, run)
	}
	run, err := follow(ctx, c, run.ID, g.JSON)
	if err == nil && run.Status != "FINISHED" {
		err = runFailed(run)
	}
	return run, err
}
