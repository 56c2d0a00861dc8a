package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"

	"millrace/client"
	"millrace/event"
	"millrace/services/api"
	"millrace/services/serving"
	"millrace/trainer/engine"
	"millrace/trainer/engine/auto"
)

// serveCmd lets clients of OpenAI's protocol talk to models, in a process of its own.
type serveCmd struct {
	Models  []string `arg:"" optional:"" help:"Checkpoints of the node (RUN, RUN@STEP), or models on this disk: folders as transformers saves them, GGUF or llm.c files."`
	All     bool     `help:"Every checkpoint of the node, found when it is asked for."`
	Listen  string   `help:"Where to serve." default:"127.0.0.1:7080" placeholder:"HOST:PORT"`
	APIKey  string   `name:"api-key" help:"Ask clients for this key; needed beyond loopback." env:"MILLRACE_API_KEY" placeholder:"KEY"`
	Weights string   `help:"How weights are kept: f32, or bf16 and q8_0, which are faster and a little less exact." enum:"f32,bf16,q8_0" default:"f32"`
	Memory  int64    `help:"Bytes of memory for models that are loaded (default: 4 GiB)." placeholder:"BYTES"`
	Threads int      `help:"Threads (default: all cores)." placeholder:"N"`
	Verbose bool     `short:"v" help:"Log more."`
}

// Run serves until it is told to stop.
func (cmd *serveCmd) Run(ctx context.Context, g *Global) error {
	if len(cmd.Models) == 0 && !cmd.All {
		return &exitError{exitUsage, fmt.Errorf("serve: name a checkpoint or a folder, or give --all; a node serves its own checkpoints already, at %s/v1", g.client().URL())}
	}
	s, err := cmd.open(ctx, g)
	if err != nil {
		return err
	}
	defer s.Close()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cmd.Listen)
	if err != nil {
		return fmt.Errorf("serve: cannot serve on %s: %w; choose another address with --listen, 127.0.0.1:0 for any", cmd.Listen, err)
	}
	door, err := api.New(api.Config{
		Graph: http.NotFoundHandler(), Mount: map[string]http.Handler{"/v1/": s}, Token: cmd.APIKey, Drain: s.Close, Log: logger(cmd.Verbose),
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "millrace: ready at http://%s/v1\n", listener.Addr())
	return door.Serve(ctx, listener)
}

// open finds the models; nothing is loaded yet.
func (cmd *serveCmd) open(ctx context.Context, g *Global) (*serving.Server, error) {
	k, err := auto.Open("auto", cmd.Threads)
	if err != nil {
		return nil, err
	}
	var folders, names []string
	for _, m := range cmd.Models {
		if _, err := os.Stat(m); err == nil {
			folders = append(folders, m)
		} else {
			names = append(names, m)
		}
	}
	disk, err := serving.OpenFolders(folders)
	if err != nil {
		return nil, err
	}
	remote := &nodesModels{c: g.client(), only: names, all: cmd.All}
	for _, n := range names {
		if _, err := remote.Find(ctx, n); err != nil {
			return nil, err
		}
	}
	return serving.New(serving.Config{
		Source: severalSources{disk, remote}, Kernels: k, Form: engine.Form(cmd.Weights), Limits: serving.Limits{ModelBytes: cmd.Memory}, Log: logger(cmd.Verbose),
	}), nil
}

// severalSources asks one after the other.
type severalSources []serving.Source

func (s severalSources) Offers(ctx context.Context) (all []serving.Offer, err error) {
	for _, one := range s {
		offers, err := one.Offers(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, offers...)
	}
	return all, nil
}

func (s severalSources) Find(ctx context.Context, name string) (serving.Checkpoint, error) {
	for _, one := range s {
		c, err := one.Find(ctx, name)
		if !errors.Is(err, serving.ErrUnknownModel) {
			return c, err
		}
	}
	return serving.Checkpoint{}, fmt.Errorf("%w: %q", serving.ErrUnknownModel, name)
}

// nodesModels are checkpoints of a node elsewhere.
type nodesModels struct {
	c    *client.Client
	only []string
	all  bool
}

func (n *nodesModels) Offers(ctx context.Context) (out []serving.Offer, err error) {
	for _, name := range n.only {
		c, err := n.Find(ctx, name)
		if err != nil {
			return nil, err
		}
		out = append(out, serving.Offer{Name: name, Created: c.Created})
	}
	if !n.all {
		return out, nil
	}
	runs, _, _, err := n.c.Runs(ctx, map[string]any{}, 100, "")
	if err != nil {
		return nil, err
	}
	for _, r := range runs {
		checkpoints, err := n.c.Checkpoints(ctx, r.ID)
		if err != nil {
			return nil, err
		}
		for i := len(checkpoints) - 1; i >= max(0, len(checkpoints)-10); i-- {
			k := checkpoints[i]
			out = append(out, serving.Offer{Name: fmt.Sprintf("%s@%d", r.ID, k.Step), Label: r.Name, Run: r.ID, Step: k.Step, Created: k.SavedAt})
		}
	}
	return out, nil
}

// Find takes RUN, RUN@STEP and RUN@last.
func (n *nodesModels) Find(ctx context.Context, name string) (serving.Checkpoint, error) {
	allowed := n.all
	for _, o := range n.only {
		allowed = allowed || o == name
	}
	if !allowed {
		return serving.Checkpoint{}, fmt.Errorf("%w: %q", serving.ErrUnknownModel, name)
	}
	id, at, _ := strings.Cut(name, "@")
	run, err := n.c.Find(ctx, id)
	if errors.Is(err, client.ErrNotFound) {
		return serving.Checkpoint{}, fmt.Errorf("%w: %w", serving.ErrUnknownModel, err)
	}
	if err != nil {
		return serving.Checkpoint{}, err
	}
	checkpoints, err := n.c.Checkpoints(ctx, run.ID)
	if err != nil {
		return serving.Checkpoint{}, err
	}
	dataset, err := n.datasetOf(ctx, run.ID)
	if err != nil {
		return serving.Checkpoint{}, err
	}
	for i := len(checkpoints) - 1; i >= 0; i-- {
		if k := checkpoints[i]; at == "" || at == "last" || at == fmt.Sprint(k.Step) {
			objects := serving.Objects{Get: n.c.Blob, Open: n.c.OpenBlob}
			return objects.Checkpoint(event.Digest(k.Digest), dataset, k.SavedAt), nil
		}
	}
	return serving.Checkpoint{}, fmt.Errorf("%w: run %s has no checkpoint %q", serving.ErrUnknownModel, run.ID, at)
}

// datasetOf is the dataset that a run was trained on, "" if it names none.
func (n *nodesModels) datasetOf(ctx context.Context, run string) (event.Digest, error) {
	var data struct {
		Run struct{ Inputs []client.Input }
	}
	if err := n.c.Do(ctx, `query($id: ID!) { run(id: $id) { inputs { role digest } } }`, map[string]any{"id": run}, &data); err != nil {
		return "", err
	}
	for _, in := range data.Run.Inputs {
		if in.Role == "dataset" {
			return event.Digest(in.Digest), nil
		}
	}
	return "", nil
}
