package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"millrace/client"
	"millrace/event"
	"millrace/trainer/engine/auto"
	"millrace/trainer/model"
	"millrace/trainer/token"
)

// classifyCmd tells the classes of texts.
type classifyCmd struct {
	Checkpoint string   `arg:"" help:"A classifier's checkpoint: RUN (its last) or RUN@STEP."`
	Texts      []string `arg:"" optional:"" name:"text" help:"Texts; without one each line of standard input is a text."`
	Threads    int      `help:"Threads that compute; 0 is all processors." default:"0"`
}

// classified is what is said of a text.
type classified struct {
	Text          string             `json:"text"`
	Label         string             `json:"label"`
	Probabilities map[string]float64 `json:"probabilities"`
}

func (cmd *classifyCmd) Run(ctx context.Context, g *Global) error {
	c := g.client()
	files, err := checkpointFiles(ctx, c, cmd.Checkpoint)
	if err != nil {
		return err
	}
	raw, err := files.read(ctx, "config.json")
	if err != nil {
		return err
	}
	config, err := model.ParseHuggingFace(raw)
	if err != nil {
		return err
	}
	if config.NLabel == 0 {
		return &exitError{exitRefused, fmt.Errorf("%s is no classifier; make one with: millrace finetune RUN FILE --objective classify", cmd.Checkpoint)}
	}
	names, err := model.Labels(raw)
	if err != nil {
		return err
	}
	if raw, err = files.read(ctx, "tokenizer.json"); err != nil {
		return err
	}
	tok, err := token.Parse(raw)
	if err != nil {
		return err
	}
	k, err := auto.Open("auto", cmd.Threads)
	if err != nil {
		return err
	}
	if closer, ok := k.(io.Closer); ok {
		defer closer.Close() // nothing is lost by it
	}
	weights, err := files.open(ctx, "model.safetensors")
	if err != nil {
		return err
	}
	net, err := model.Read(config, k, weights)
	_ = weights.Close() // read to its end, or not wanted
	if err != nil {
		return err
	}
	program, err := net.Classifier(1, config.Context, false)
	if err != nil {
		return err
	}
	tell := func(text string) error {
		ids, err := token.Encode(tok, text)
		if err != nil {
			return err
		}
		if len(ids) == 0 {
			ids = []int32{tok.EndOfText()}
		}
		program.Lengths[0] = int32(copy(program.IDs, ids))
		clear(program.IDs[program.Lengths[0]:])
		if _, err := program.Run(0); err != nil {
			return err
		}
		out := classified{Text: text, Label: names[program.Predicted(0)], Probabilities: map[string]float64{}}
		for i, p := range program.Probabilities(0) {
			out.Probabilities[names[i]] = p
		}
		return g.print(out, func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "%s\t%.3f\t%s\n", out.Label, out.Probabilities[out.Label], text)
			return err
		})
	}
	for _, text := range cmd.Texts {
		if err := tell(text); err != nil {
			return err
		}
	}
	if len(cmd.Texts) > 0 {
		return nil
	}
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 16<<20)
	for in.Scan() {
		if err := tell(in.Text()); err != nil {
			return err
		}
	}
	return in.Err()
}

// stored are the files of a checkpoint in the node's store.
type stored struct {
	c    *client.Client
	what string
	at   map[string]event.Digest
}

// checkpointFiles finds the files of RUN or RUN@STEP.
func checkpointFiles(ctx context.Context, c *client.Client, what string) (stored, error) {
	id, at, marked := strings.Cut(what, "@")
	run, err := c.Find(ctx, id)
	if err != nil {
		return stored{}, err
	}
	var data struct {
		Run struct {
			Checkpoints []struct {
				Step  int64
				Files []struct {
					Name   string
					Digest event.Digest
				}
			}
		}
	}
	if err := c.Do(ctx, `query($id: ID!) { run(id: $id) { checkpoints { step files { name digest } } } }`, map[string]any{"id": run.ID}, &data); err != nil {
		return stored{}, err
	}
	s := stored{c: c, what: what}
	for _, k := range data.Run.Checkpoints { // by step
		if marked && strconv.FormatInt(k.Step, 10) != at {
			continue
		}
		s.at = map[string]event.Digest{}
		for _, f := range k.Files {
			s.at[f.Name] = f.Digest
		}
	}
	if s.at == nil {
		return s, &exitError{exitRefused, fmt.Errorf("run %s has no such checkpoint; see: millrace show %s", id, id)}
	}
	return s, nil
}

func (s stored) open(ctx context.Context, name string) (io.ReadCloser, error) {
	d, ok := s.at[name]
	if !ok {
		return nil, &exitError{exitRefused, fmt.Errorf("the checkpoint %s has no %s", s.what, name)}
	}
	return s.c.OpenBlob(ctx, d)
}

func (s stored) read(ctx context.Context, name string) ([]byte, error) {
	if _, ok := s.at[name]; !ok {
		_, err := s.open(ctx, name)
		return nil, err
	}
	return s.c.Blob(ctx, s.at[name])
}
