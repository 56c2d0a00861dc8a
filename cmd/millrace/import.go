package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"millrace/client"
	"millrace/trainer/model/exchange"
	"millrace/trainer/model/safetensors"
)

// importCmd brings a model from elsewhere.
type importCmd struct {
	Path       string   `arg:"" help:"A folder as transformers saves one, a GGUF file, or a model file of llm.c." type:"path"`
	Name       string   `help:"Name of the run that stands for it (default: the path's last part)."`
	Experiment string   `short:"e" help:"Experiment it belongs to; a new name opens one."`
	Tokenizer  string   `help:"Its tokenizer.json, where it has none or another." type:"existingfile" placeholder:"FILE"`
	Adapter    string   `help:"A LoRA of it, the folder that PEFT saved: it is merged." type:"existingdir" placeholder:"DIR"`
	Dataset    string   `help:"Dataset whose held-out text it is judged on: its name or digest."`
	Suites     []string `help:"Suites to judge it on now." placeholder:"NAME,…"`
}

// imported is what import prints.
type imported struct {
	Run        string   `json:"run"`
	Name       string   `json:"name"`
	Checkpoint string   `json:"checkpoint"`
	From       string   `json:"from"`
	Arch       string   `json:"arch"`
	Parameters int64    `json:"parameters"`
	Bytes      int64    `json:"bytes"`
	Notes      []string `json:"notes"`
}

func (cmd *importCmd) Run(ctx context.Context, g *Global) (err error) {
	m, err := exchange.Open(cmd.Path)
	if err != nil {
		return unusable(err)
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	if cmd.Tokenizer != "" {
		raw, err := os.ReadFile(cmd.Tokenizer)
		if err != nil {
			return err
		}
		if err := m.SetTokenizer(raw); err != nil {
			return unusable(fmt.Errorf("%s: %w", cmd.Tokenizer, err))
		}
	}
	if cmd.Adapter != "" {
		if err := m.Adapt(cmd.Adapter); err != nil {
			return unusable(err)
		}
	}
	config, err := m.Check()
	if err != nil {
		return unusable(err)
	}
	dir, err := os.MkdirTemp("", "millrace-import-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	files, err := asCheckpoint(m, dir)
	if err != nil {
		return unusable(err)
	}
	what := client.NewModel{
		Name: cmd.Name, Experiment: cmd.Experiment, Dataset: cmd.Dataset, Suites: cmd.Suites, Files: files, By: os.Getenv("USER"),
		Tags: map[string]string{"imported": string(m.From)},
	}
	if what.Name == "" {
		base := filepath.Base(filepath.Clean(cmd.Path))
		what.Name = strings.TrimSuffix(base, filepath.Ext(base))
	}
	source := map[string]any{"format": m.From, "source": filepath.Base(filepath.Clean(cmd.Path)), "dtype": m.Tensors[0].DType}
	if cmd.Adapter != "" {
		source["adapter"] = filepath.Base(filepath.Clean(cmd.Adapter))
	}
	if what.Config, err = json.Marshal(map[string]any{"import": source, "model": config}); err != nil {
		return err
	}
	out := imported{Name: what.Name, From: string(m.From), Arch: string(config.Arch), Parameters: config.Parameters().Total, Notes: m.Notes}
	b := newBar(g.JSON)
	what.Progress = func(done, total int64) {
		out.Bytes = total
		b.draw(client.Run{Name: what.Name, Progress: &client.Progress{Phase: "upload", Done: done, Total: total, Unit: "bytes"}})
	}
	c := g.client()
	if what.Dataset != "" { // before anything is made
		d, err := c.Dataset(ctx, what.Dataset)
		if err != nil {
			return err
		}
		what.Dataset = d.ID
	}
	run, checkpoint, err := c.ImportModel(ctx, what)
	b.end()
	if err != nil {
		return err
	}
	out.Run, out.Checkpoint = run.ID, string(checkpoint)
	return g.print(out, func(w io.Writer) error {
		for _, n := range out.Notes {
			fmt.Fprintln(os.Stderr, "note:", n)
		}
		_, err := fmt.Fprintf(w, "%s %s\ncheckpoint %s of %s parameters, %s\n", out.Run, out.Name, out.Checkpoint, count(float64(out.Parameters)), bytes(out.Bytes))
		return err
	})
}

// unusable is an error about what was given, not about the node.
func unusable(err error) error { return &exitError{exitFailed, err} }

// asCheckpoint writes what of a model is not a file already into a folder, and lists the files of its checkpoint.
func asCheckpoint(m *exchange.Model, dir string) ([]client.CheckpointFile, error) {
	var files []client.CheckpointFile
	put := func(name string, write func(io.Writer) error) error {
		path := filepath.Join(dir, name)
		files = append(files, client.CheckpointFile{Name: name, Path: path})
		return exchange.WriteFile(path, write)
	}
	small := func(name string, b []byte) error {
		if b == nil {
			return nil
		}
		return put(name, func(w io.Writer) error { _, err := w.Write(b); return err })
	}
	if err := errors.Join(small(exchange.ConfigFile, m.Config), small(exchange.TokenizerFile, m.Tokenizer)); err != nil {
		return nil, err
	}
	for _, name := range exchange.Beside() {
		if err := small(name, m.Beside[name]); err != nil {
			return nil, err
		}
	}
	if m.Whole != "" {
		return append(files, client.CheckpointFile{Name: safetensors.ModelFile, Path: m.Whole}), nil
	}
	err := put(safetensors.ModelFile, func(w io.Writer) error { _, err := m.WriteSafetensors(w); return err })
	return files, err
}
