package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/term"

	"millrace/client"
	"millrace/curator"
	"millrace/services/node"
)

// demoCmd is the whole loop on one machine, as a newcomer meets it.
type demoCmd struct {
	Text  string `help:"Folder of text to learn from (default: the Go distribution's source and documentation)." type:"existingdir" placeholder:"DIR"`
	Limit string `help:"How much text to take." default:"10MB" placeholder:"SIZE"`
	Steps int64  `help:"Training steps of each run." default:"300" placeholder:"N"`
	Addr  string `help:"Where the page is served." default:"127.0.0.1:7070" placeholder:"HOST:PORT"`
	Exit  bool   `help:"Stop at the end instead of staying up for the page."`
}

// The two runs differ in this one setting.
const (
	demoSetting   = "optimizer.lr"
	demoBaseline  = "1e-3"
	demoVariant   = "3e-3"
	demoReproduce = 50 // steps
)

func (cmd *demoCmd) Run(ctx context.Context, g *Global) error {
	began := time.Now()
	ready := make(chan string, 1)
	c := node.Config{Data: g.Data, Addr: cmd.Addr, Version: version, Log: logger(false), Ready: func(url string) { ready <- url }}
	n, err := node.Open(ctx, c)
	if err != nil {
		return err
	}
	defer n.Close()
	serve, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- n.Run(serve) }()
	select {
	case url := <-ready:
		say("node up at %s after %d ms: log, object store, read model and workers in one process", url, time.Since(began).Milliseconds())
	case err := <-ended:
		return errors.Join(err, errors.New("the node ended before it was ready"))
	}
	loop, cancel := context.WithCancelCause(ctx)
	go func() { // a node that ends takes the loop with it
		if err := <-ended; err != nil {
			cancel(err)
		}
		ended <- nil
	}()
	if err := cmd.loop(loop, client.New(n.URL(), "")); err != nil {
		if cause := context.Cause(loop); cause != nil && ctx.Err() == nil {
			err = cause
		}
		return err
	}
	say("done after %s; the page with both runs: %s", clock(time.Since(began)), n.URL())
	if !cmd.Exit && term.IsTerminal(int(os.Stdout.Fd())) {
		say("the node stays up for it; Ctrl-C ends it")
		<-ctx.Done()
	}
	stop()
	err = <-ended
	fmt.Fprintln(os.Stderr, "millrace: stopped")
	return errors.Join(err, n.Close())
}

// loop is curate, train twice, evaluate, compare, reproduce.
func (cmd *demoCmd) loop(ctx context.Context, c *client.Client) error {
	dataset, err := cmd.curate(ctx, c)
	if err != nil {
		return err
	}
	ids, err := cmd.train(ctx, c, dataset)
	if err != nil {
		return err
	}
	if err := judged(ctx, c, ids); err != nil {
		return err
	}
	comparison, err := c.Compare(ctx, ids)
	if err != nil {
		return err
	}
	fmt.Println()
	if err := showComparison(os.Stdout, comparison); err != nil {
		return err
	}
	if err := showSamples(ctx, os.Stdout, c, comparison.Runs); err != nil {
		return err
	}
	fmt.Println()
	say("reproducing the first %d steps of %s from its record", min(demoReproduce, cmd.Steps), comparison.Runs[0].Name)
	run, err := c.Reproduce(ctx, ids[0], min(demoReproduce, cmd.Steps))
	if err != nil {
		return err
	}
	if run, err = verdict(ctx, c, run.ID, false); err != nil {
		return err
	}
	fmt.Println(verdictLine(*run.Reproduction))
	if run.Reproduction.Verdict != "identical" {
		return &exitError{exitDifferent, errors.New("the reproduction is not identical")}
	}
	return nil
}

// curate makes the dataset, or finds it made.
func (cmd *demoCmd) curate(ctx context.Context, c *client.Client) (client.Dataset, error) {
	limit, err := parseSize(cmd.Limit)
	if err != nil {
		return client.Dataset{}, err
	}
	name, folders, include := "text", []string{cmd.Text}, []string(nil)
	if cmd.Text == "" {
		root, err := goroot(ctx)
		if err != nil {
			return client.Dataset{}, err
		}
		name, folders, include = "go-distribution", []string{filepath.Join(root, "src"), filepath.Join(root, "doc")}, []string{"*.go", "*.md", "*.html", "*.txt"}
	}
	config, err := folderRecipe(name, folders, include, limit, 4096, curator.ByDocument)
	if err != nil {
		return client.Dataset{}, err
	}
	say("curating %s of text from %s", cmd.Limit, strings.Join(folders, " and "))
	run, err := c.Start(ctx, client.StartRun{Kind: "CURATE", Name: name, Config: config, By: "demo"})
	if err != nil {
		return client.Dataset{}, err
	}
	if run, err = follow(ctx, c, run.ID, false); err != nil {
		return client.Dataset{}, err
	}
	if run.Status != "FINISHED" {
		return client.Dataset{}, runFailed(run)
	}
	d, err := c.Dataset(ctx, run.Output("dataset"))
	if err != nil {
		return d, err
	}
	for _, s := range d.Splits {
		say("  %-8s %5d documents  %9s  %s tokens", s.Name, s.Documents, bytes(s.Bytes), count(float64(s.Tokens)))
	}
	for _, dropped := range d.Dropped {
		say("  left out %d documents: %s", dropped.Documents, dropped.Reason)
	}
	return d, nil
}

// train asks for both runs at once; the worker does them one after the other while their checkpoints are judged.
func (cmd *demoCmd) train(ctx context.Context, c *client.Client, d client.Dataset) ([]string, error) {
	say("training two models that differ in %s: %s and %s; every checkpoint is judged as it comes", demoSetting, demoBaseline, demoVariant)
	var ids []string
	for _, value := range []string{demoBaseline, demoVariant} {
		config, err := withSettings(json.RawMessage(fmt.Sprintf(demoConfig, cmd.Steps, demoReproduce, demoReproduce)), []string{demoSetting + "=" + value})
		if err != nil {
			return nil, err
		}
		run, err := c.Start(ctx, client.StartRun{
			Kind: "TRAIN", Name: "lr " + value, Experiment: "demo", Config: config, Suites: []string{"quick"}, By: "demo",
			Inputs: []client.Input{{Role: "dataset", Digest: d.ID}},
		})
		if err != nil {
			return nil, err
		}
		ids = append(ids, run.ID)
	}
	for _, id := range ids {
		run, err := follow(ctx, c, id, false)
		if err != nil {
			return nil, err
		}
		if run.Status != "FINISHED" {
			return nil, runFailed(run)
		}
	}
	return ids, nil
}

// demoConfig is a model that learns something in half a minute on two cores.
const demoConfig = `{"model": {"n_layer": 4, "n_head": 4, "d_model": 128, "context": 128}, "batch_size": 8, "steps": %d,
	"optimizer": {"name": "adamw", "beta1": 0.9, "beta2": 0.95, "eps": 1e-8, "weight_decay": 0.1}, "seed": 1337,
	"checkpoint_every": %d, "eval_every": %d, "eval_batches": 8}`

// judged waits until the last checkpoint of every run has its scores.
func judged(ctx context.Context, c *client.Client, ids []string) error {
	const patience = 2 * time.Minute
	for deadline := time.Now().Add(patience); ; {
		missing := 0
		for _, id := range ids {
			checkpoints, err := c.Checkpoints(ctx, id)
			if err != nil {
				return err
			}
			for _, k := range checkpoints {
				if len(k.Evaluations) == 0 {
					missing++
				}
			}
		}
		if missing == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d checkpoints have no evaluation after %s; look at: millrace runs --kind evaluate", missing, patience)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// showSamples prints what each model writes at its end.
func showSamples(ctx context.Context, w io.Writer, c *client.Client, runs []client.Run) error {
	for _, r := range runs {
		checkpoints, err := c.Checkpoints(ctx, r.ID)
		if err != nil {
			return err
		}
		if len(checkpoints) == 0 {
			continue
		}
		k := checkpoints[len(checkpoints)-1]
		for _, e := range k.Evaluations {
			if len(e.Samples) > 0 {
				fmt.Fprintf(w, "\n%s after %d steps writes: %q\n", r.Name, k.Step, clip(e.Samples[0].Prompt+e.Samples[0].Text, 200))
			}
		}
	}
	return nil
}

// goroot asks the Go installation where its source is.
func goroot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	root := strings.TrimSpace(string(out))
	if err != nil || root == "" {
		return "", fmt.Errorf("the demo learns from Go's own source by default, but \"go env GOROOT\" does not tell where it is; name a folder with --text DIR")
	}
	return root, nil
}

func say(format string, args ...any) { fmt.Fprintf(os.Stderr, "▸ "+format+"\n", args...) }
