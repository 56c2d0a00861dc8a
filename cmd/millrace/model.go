package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"millrace/client"
	"millrace/cost"
	"millrace/event"
	"millrace/trainer"
	"millrace/trainer/model"
)

// modelCmd is millrace model.
type modelCmd struct {
	Describe modelDescribeCmd `cmd:"" help:"Describe an architecture: parameters by part, FLOPs a token, memory, a drawing of the stack."`
	Presets  modelPresetsCmd  `cmd:"" help:"List the published models whose shapes are known."`
}

// modelPresetsCmd lists presets.
type modelPresetsCmd struct{}

func (cmd *modelPresetsCmd) Run(g *Global) error {
	type row struct {
		Name       string       `json:"name"`
		Kind       model.Kind   `json:"kind"`
		Parameters int64        `json:"parameters"`
		Config     model.Config `json:"config"`
	}
	var rows []row
	for _, name := range model.Presets() {
		c, err := model.Preset(name)
		if err != nil {
			return err
		}
		rows = append(rows, row{name, c.Arch.Kind(), c.Parameters().Total, c})
	}
	return g.print(rows, func(w io.Writer) error {
		cells := [][]string{{"PRESET", "KIND", "PARAMETERS", "LAYERS", "WIDTH", "HEADS", "CONTEXT"}}
		for _, r := range rows {
			cells = append(cells, []string{r.Name, string(r.Kind), fmt.Sprint(r.Parameters), fmt.Sprint(r.Config.NLayer), fmt.Sprint(r.Config.DModel), fmt.Sprint(r.Config.NHead), fmt.Sprint(r.Config.Context)})
		}
		return table(w, cells)
	})
}

// modelDescribeCmd describes an architecture.
type modelDescribeCmd struct {
	What    string `arg:"" optional:"" help:"A preset (millrace model presets lists them), a file (a training's configuration, a config.json), or a checkpoint (RUN, RUN@STEP or its digest)."`
	Depth   int    `help:"The model of one dial, so many layers deep, with the batch, budget and learning rate that go with it." placeholder:"N"`
	Batch   int    `help:"Sequences of a batch, for the memory that training takes." default:"1" placeholder:"N"`
	Context int    `help:"Tokens of a sequence (default: the model's most)." placeholder:"N"`
	Vocab   int    `help:"Tokens known, where the model leaves them to the tokenizer." placeholder:"N"`
}

func (cmd *modelDescribeCmd) Run(ctx context.Context, g *Global) error {
	c, dial, err := cmd.config(ctx, g)
	if err != nil {
		return err
	}
	if c.VocabSize == 0 {
		c.VocabSize = cmd.Vocab
	}
	if c.VocabSize == 0 {
		return misused(fmt.Errorf("the model leaves its vocabulary to the tokenizer: say how many tokens that knows, with --vocab"))
	}
	d, err := c.Describe(cmd.Batch, cmd.Context)
	if err != nil {
		return misused(err)
	}
	out := struct {
		model.Description
		Dial *model.Dial `json:"dial,omitempty"`
	}{d, dial}
	return g.print(out, func(w io.Writer) error { return showModel(w, d, dial) })
}

// config finds the architecture.
func (cmd *modelDescribeCmd) config(ctx context.Context, g *Global) (model.Config, *model.Dial, error) {
	switch {
	case (cmd.What == "") == (cmd.Depth == 0):
		return model.Config{}, nil, misused(fmt.Errorf("name one model: a preset, a file, a checkpoint, or --depth N"))
	case cmd.Depth != 0:
		vocab := cmd.Vocab
		if vocab == 0 {
			vocab = model.DialVocab
		}
		d, err := model.Depth(cmd.Depth, vocab)
		return d.Model, &d, misused(err)
	}
	if c, err := model.Preset(cmd.What); err == nil {
		return c, nil, nil
	}
	if _, err := os.Stat(cmd.What); err == nil {
		c, err := modelOfFile(cmd.What)
		return c, nil, err
	}
	c, err := modelOfCheckpoint(ctx, g, cmd.What)
	return c, nil, err
}

// modelOfFile reads a config.json, or a training's configuration in YAML or JSON.
func modelOfFile(path string) (model.Config, error) {
	raw, err := readConfig(path)
	if err != nil {
		return model.Config{}, err
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(raw, &keys); err != nil {
		return model.Config{}, misused(fmt.Errorf("%s: not a mapping of keys", path))
	}
	if keys["model_type"] != nil {
		c, err := model.ParseHuggingFace(raw)
		return c, misused(err)
	}
	if keys["arch"] != nil {
		var c model.Config
		return c, misused(json.Unmarshal(raw, &c))
	}
	c, err := trainer.Parse(raw)
	return c.Model, misused(err)
}

// showModel writes a description for people.
func showModel(w io.Writer, d model.Description, dial *model.Dial) error {
	n := d.Parameters
	parts := [][]string{{"PART", "PARAMETERS", ""}}
	for _, p := range []struct {
		name  string
		count int64
	}{
		{"embedding", n.Embedding}, {"positions", n.Position}, {"attention", n.Attention}, {"cross-attention", n.Cross}, {"feed-forward", n.MLP},
		{"norms", n.Norm}, {"head", n.Head}, {"all", n.Total},
	} {
		if p.count > 0 {
			parts = append(parts, []string{p.name, fmt.Sprint(p.count), fmt.Sprintf("%.1f%%", 100*float64(p.count)/float64(n.Total))})
		}
	}
	fmt.Fprintf(w, "%s of family %s, %s parameters\n\n%s\n", d.Kind, d.Config.Arch, cost.Short(float64(n.Total)), d.Drawing)
	if err := table(w, parts); err != nil {
		return err
	}
	t, i, h := d.Training, d.Inference, d.InferenceBF16
	fmt.Fprintln(w)
	rows := [][]string{
		{"arithmetic", fmt.Sprintf("%.4g FLOPs a token to train, %.4g to score, in sequences of %d", d.FLOPsPerToken, d.FLOPsPerToken/3, d.Context)},
		{"memory to train", fmt.Sprintf("%s: weights %s, gradients %s, AdamW %s, activations %s (%d × %d tokens, float32)", bytes(t.Total), bytes(t.Weights), bytes(t.Gradients), bytes(t.Optimizer), bytes(t.Activations), d.Batch, d.Context)},
		{"memory to generate", fmt.Sprintf("%s: weights %s, keys and values of %d tokens %s (float32); %s in bfloat16", bytes(i.Total), bytes(i.Weights), d.Context, bytes(i.Cache), bytes(h.Total))},
	}
	if d.Kind == model.Encoder {
		rows[2] = []string{"memory to use", fmt.Sprintf("%s of weights (float32); %s in bfloat16", bytes(i.Weights), bytes(h.Weights))}
	}
	if dial != nil {
		rows = append(rows, []string{"depth " + fmt.Sprint(dial.Depth), fmt.Sprintf("%d steps of %d tokens (%s in all), learning rate %g", dial.Steps, dial.StepBatch, cost.Short(float64(dial.Tokens)), dial.LR)})
	}
	return table(w, rows)
}

// modelOfCheckpoint reads the config.json of a checkpoint that the node has.
func modelOfCheckpoint(ctx context.Context, g *Global, name string) (model.Config, error) {
	c := g.client()
	digest := event.Digest(name)
	if !strings.HasPrefix(name, "sha256:") {
		id, at, _ := strings.Cut(name, "@")
		run, err := c.Find(ctx, id)
		if errors.Is(err, client.ErrUnreachable) || errors.Is(err, client.ErrNotFound) {
			return model.Config{}, fmt.Errorf("%s is no preset (millrace model presets lists them) and no file, and as a checkpoint: %w", name, err)
		}
		if err != nil {
			return model.Config{}, err
		}
		all, err := c.Checkpoints(ctx, run.ID)
		if err != nil {
			return model.Config{}, err
		}
		i := len(all) - 1
		if at != "" && at != "last" {
			i = slices.IndexFunc(all, func(k client.Checkpoint) bool { return strconv.FormatInt(k.Step, 10) == at })
		}
		if i < 0 {
			return model.Config{}, &exitError{exitRefused, fmt.Errorf("run %s has no such checkpoint; millrace show %s lists them", run.ID, run.ID)}
		}
		digest = event.Digest(all[i].Digest)
	}
	raw, err := c.Blob(ctx, digest)
	if err != nil {
		return model.Config{}, err
	}
	var tree struct {
		Files []struct {
			Name   string       `json:"name"`
			Digest event.Digest `json:"digest"`
		} `json:"files"`
	}
	if err := json.Unmarshal(raw, &tree); err != nil {
		return model.Config{}, fmt.Errorf("%s is no checkpoint", digest)
	}
	for _, f := range tree.Files {
		if f.Name == trainer.ConfigFile {
			if raw, err = c.Blob(ctx, f.Digest); err != nil {
				return model.Config{}, err
			}
			return model.ParseHuggingFace(raw)
		}
	}
	return model.Config{}, fmt.Errorf("%s has no %s: it is no checkpoint of a model", digest, trainer.ConfigFile)
}

// misused says that the command line, or a file it names, is wrong.
func misused(err error) error {
	if err == nil {
		return nil
	}
	return &exitError{exitUsage, err}
}
