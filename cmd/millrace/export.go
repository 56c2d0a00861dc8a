package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"millrace/client"
	"millrace/event"
	"millrace/trainer/model/exchange"
	"millrace/trainer/model/safetensors"
	format "millrace/trainer/model/stored"
)

// exportCmd takes a checkpoint to other programs.
type exportCmd struct {
	Checkpoint string `arg:"" help:"RUN (its last checkpoint), RUN@STEP, RUN@ALIAS, EXPERIMENT:ALIAS, an alias such as best, or a digest."`
	Format     string `help:"For whom: hf (a folder for transformers), gguf (llama.cpp), llmc (llm.c), or peft (the adapters alone of a fine-tuning with LoRA)." enum:"hf,gguf,llmc,peft" default:"hf"`
	DType      string `name:"dtype" help:"Format of the weights: f32, f16, bf16, q8_0 (gguf), or keep." enum:"keep,f32,f16,bf16,q8_0" default:"keep"`
	Out        string `required:"" short:"o" help:"Folder to write into; it is made. For gguf it may be the file, NAME.gguf." type:"path" placeholder:"DIR"`
	Name       string `help:"What the model is called, in a GGUF and its file's name (default: the run's name)."`
	Shard      string `help:"Size above which a folder's weights are divided into several files." default:"5GB" placeholder:"SIZE"`

	file string // the GGUF's name in Out; "" makes one of the model's
}

// exported is what export prints.
type exported struct {
	Checkpoint string   `json:"checkpoint"`
	Format     string   `json:"format"`
	Files      []string `json:"files"` // paths
	Notes      []string `json:"notes"`
}

func (cmd *exportCmd) Run(ctx context.Context, g *Global) (err error) {
	limit, err := parseSize(cmd.Shard)
	if err != nil {
		return err
	}
	c := g.client()
	place, err := c.FindCheckpoint(ctx, cmd.Checkpoint)
	if err != nil {
		return err
	}
	name := cmd.Name
	if name == "" {
		name = place.Run
		if run, err := c.Run(ctx, place.Run); err == nil {
			name = run.Name
		}
	}
	if cmd.Format == "gguf" && strings.EqualFold(filepath.Ext(cmd.Out), ".gguf") {
		cmd.Out, cmd.file = filepath.Split(cmd.Out)
	}
	if cmd.Format == "peft" {
		return cmd.adapters(ctx, g, c, place, name)
	}
	if err := os.MkdirAll(cmd.Out, 0o755); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(cmd.Out, ".millrace-export-*") // beside the result, where there has to be room anyway
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := fetchModel(ctx, c, place, dir, name, g.JSON); err != nil {
		return err
	}
	m, err := exchange.Open(dir)
	if err != nil {
		return unusable(err)
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	m.Notes = nil
	out := exported{Checkpoint: string(place.Digest), Format: cmd.Format}
	if out.Files, err = cmd.write(m, name, limit); err != nil {
		return unusable(err)
	}
	out.Notes = m.Notes
	return g.print(out, func(w io.Writer) error {
		for _, n := range out.Notes {
			fmt.Fprintln(os.Stderr, "note:", n)
		}
		_, err := fmt.Fprintln(w, strings.Join(out.Files, "\n"))
		return err
	})
}

// adapters writes the two files of a checkpoint that PEFT reads beside the base.
func (cmd *exportCmd) adapters(ctx context.Context, g *Global, c *client.Client, place client.CheckpointPlace, name string) error {
	if cmd.DType != "keep" {
		return fmt.Errorf("--dtype: adapters stay as they were learnt; leave it out")
	}
	var files []event.File
	for _, n := range []string{exchange.AdapterConfigFile, exchange.AdapterFile} {
		f, ok := place.File(n)
		if !ok {
			return &exitError{exitRefused, fmt.Errorf("checkpoint %s has no %s: it was not fine-tuned with LoRA; use --format hf", place.Digest.Short(), n)}
		}
		files = append(files, f)
	}
	if err := os.MkdirAll(cmd.Out, 0o755); err != nil {
		return err
	}
	if err := fetchFiles(ctx, c, files, cmd.Out, name, g.JSON); err != nil {
		return err
	}
	out := exported{Checkpoint: string(place.Digest), Format: cmd.Format}
	for _, f := range files {
		out.Files = append(out.Files, filepath.Join(cmd.Out, f.Name))
	}
	return g.print(out, func(w io.Writer) error {
		_, err := fmt.Fprintln(w, strings.Join(out.Files, "\n"))
		return err
	})
}

// write writes the model in the form asked for and lists the files.
func (cmd *exportCmd) write(m *exchange.Model, name string, limit int64) ([]string, error) {
	d := map[string]format.DType{"f32": format.F32, "f16": format.F16, "bf16": format.BF16, "q8_0": format.Q8_0}[cmd.DType]
	file := func(name string, write func(io.Writer) error) (string, error) {
		path := filepath.Join(cmd.Out, name)
		return path, exchange.WriteFile(path, write)
	}
	switch exchange.Format(cmd.Format) {
	case exchange.GGUF:
		base := cmd.file
		if base == "" {
			base = plainName(name)
			if d != "" {
				base += "-" + cmd.DType
			}
			base += ".gguf"
		}
		path, err := file(base, func(w io.Writer) error { _, err := m.WriteGGUF(w, d, name); return err })
		return []string{path}, err
	case exchange.LLMC:
		path, err := file("model.bin", func(w io.Writer) error { _, err := m.WriteLLMC(w, d); return err })
		if err != nil || m.Tokenizer == nil {
			return []string{path}, err
		}
		words, err := file("gpt2_tokenizer.bin", m.WriteLLMCTokenizer)
		return []string{path, words}, err
	}
	names, err := m.WriteFolder(cmd.Out, d, limit)
	for i, n := range names {
		names[i] = filepath.Join(cmd.Out, n)
	}
	return names, err
}

// plainName is a name as a file may have it anywhere.
func plainName(name string) string {
	s := strings.Map(func(r rune) rune {
		if r < ' ' || strings.ContainsRune(`/\<>:"|?* `, r) {
			return '-'
		}
		return r
	}, name)
	if s = strings.Trim(s, ".-"); s == "" {
		return "model"
	}
	return s
}

// fetchModel brings the files of a checkpoint into a folder: what other programs know of it, and its tokenizer, which is its dataset's where it
// carries none.
func fetchModel(ctx context.Context, c *client.Client, place client.CheckpointPlace, dir, name string, quiet bool) error {
	var wanted []event.File
	for _, n := range append([]string{exchange.ConfigFile, safetensors.ModelFile, exchange.TokenizerFile}, exchange.Beside()...) {
		f, ok := place.File(n)
		switch {
		case ok:
			wanted = append(wanted, f)
		case n == exchange.ConfigFile || n == safetensors.ModelFile:
			return fmt.Errorf("checkpoint %s has no %s: it is no model that can be taken elsewhere", place.Digest.Short(), n)
		case n == exchange.TokenizerFile && place.Tokenizer != "":
			wanted = append(wanted, event.File{Name: n, Digest: place.Tokenizer})
		}
	}
	return fetchFiles(ctx, c, wanted, dir, name, quiet)
}

// fetchFiles brings files into a folder, each compared with its digest.
func fetchFiles(ctx context.Context, c *client.Client, wanted []event.File, dir, name string, quiet bool) error {
	var done, total int64
	for _, f := range wanted {
		total += f.Size
	}
	b := newBar(quiet)
	defer b.end()
	for _, f := range wanted {
		err := exchange.WriteFile(filepath.Join(dir, f.Name), func(w io.Writer) error {
			in, err := c.OpenBlob(ctx, f.Digest)
			if err != nil {
				return err
			}
			h := sha256.New()
			_, err = io.Copy(io.MultiWriter(w, h, moved(func(n int) {
				done += int64(n)
				b.draw(client.Run{Name: name, Progress: &client.Progress{Phase: "download", Done: done, Total: total, Unit: "bytes"}})
			})), in)
			if err = errors.Join(err, in.Close()); err != nil {
				return err
			}
			if got := event.Digest("sha256:" + hex.EncodeToString(h.Sum(nil))); got != f.Digest {
				return fmt.Errorf("%s: what came is %s, not %s", f.Name, got.Short(), f.Digest.Short())
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// moved counts what is written.
type moved func(int)

func (m moved) Write(p []byte) (int, error) {
	m(len(p))
	return len(p), nil
}
