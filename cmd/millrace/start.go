package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"millrace/client"
)

// trainCmd trains a model.
type trainCmd struct {
	Dataset    string   `arg:"" help:"Dataset: its name (the newest of that name) or digest."`
	Config     string   `help:"Configuration, YAML or JSON." type:"existingfile" placeholder:"FILE"`
	Preset     string   `help:"Architecture of a published model, e.g. gpt2-124m; millrace model presets lists them." placeholder:"NAME"`
	Depth      int      `help:"One dial for everything: layers, from which width, heads, batch, learning rate and budget follow." placeholder:"N"`
	Set        []string `short:"s" help:"One setting, e.g. -s model.n_layer=6 -s optimizer.lr=3e-4." placeholder:"KEY=VALUE" sep:"none"`
	Name       string   `help:"Name of the run."`
	Experiment string   `short:"e" help:"Experiment it belongs to; a new name opens one."`
	Suites     []string `help:"Suites to judge every checkpoint on; \"none\" for none. Left out: the experiment's, or quick." placeholder:"NAME,…"`
	Engine     string   `help:"Device: auto, cpu or cpu-reference." default:"auto"`
	Dollars    float64  `help:"Budget: it is asked to stop when so much is spent, and can be resumed with more." placeholder:"N"`
	Detach     bool     `short:"d" help:"Do not wait for the end."`
}

func (cmd *trainCmd) Run(ctx context.Context, g *Global) error {
	config := json.RawMessage(`{}`)
	if cmd.Config != "" {
		var err error
		if config, err = readConfig(cmd.Config); err != nil {
			return err
		}
	}
	settings := cmd.Set
	if cmd.Preset != "" {
		settings = append([]string{"model.preset=" + cmd.Preset}, settings...)
	}
	if cmd.Depth != 0 {
		settings = append([]string{fmt.Sprintf("depth=%d", cmd.Depth)}, settings...)
	}
	config, err := withSettings(config, settings)
	if err != nil {
		return err
	}
	suites, err := judgedOn(ctx, g, cmd.Suites, cmd.Experiment)
	if err != nil {
		return err
	}
	return start(ctx, g, client.StartRun{
		Kind: "TRAIN", Name: cmd.Name, Experiment: cmd.Experiment, Config: config, Engine: cmd.Engine, Suites: suites,
		Inputs: []client.Input{{Role: "dataset", Digest: cmd.Dataset}}, Budget: atMost(cmd.Dollars),
	}, cmd.Detach)
}

// judgedOn is what a training's checkpoints are judged on: the suites that somebody names, those of its experiment (nil), or quick.
func judgedOn(ctx context.Context, g *Global, named []string, experiment string) ([]string, error) {
	if len(named) > 0 {
		return suitesNamed(named), nil
	}
	if experiment != "" {
		if has, err := g.client().ExperimentJudges(ctx, experiment); has || err != nil {
			return nil, err
		}
	}
	return []string{"quick"}, nil
}

// suitesNamed is what --suites says: "none" is an empty list, which is not the same as none given.
func suitesNamed(names []string) []string {
	if len(names) == 1 && names[0] == "none" {
		return []string{}
	}
	return names
}

// start asks for a run and, unless detached, follows it to its end.
func start(ctx context.Context, g *Global, s client.StartRun, detach bool) error {
	s.By = os.Getenv("USER")
	c := g.client()
	run, err := c.Start(ctx, s)
	if err != nil {
		return err
	}
	if !detach {
		fmt.Fprintf(os.Stderr, "run %s  %s/run/%s\n", run.ID, c.URL(), run.ID)
		if run, err = follow(ctx, c, run.ID, g.JSON); err != nil {
			if ctx.Err() != nil {
				fmt.Fprintf(os.Stderr, "\nthe run goes on; stop it with: millrace stop %s\n", run.ID)
			}
			return err
		}
	}
	return finish(g, run)
}

// finish prints how a run ended; a bad end is an error.
func finish(g *Global, run client.Run) error {
	err := g.print(run, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s %s %s\n", run.ID, strings.ToLower(run.Status), run.Name)
		for _, o := range run.Outputs {
			fmt.Fprintf(w, "%s %s %s\n", o.Role, o.Digest, o.Name)
		}
		return err
	})
	if err != nil {
		return err
	}
	if run.Ended() && run.Status != "FINISHED" && run.Status != "STOPPED" && run.Status != "PAUSED" {
		return runFailed(run)
	}
	return nil
}

// readConfig reads YAML or JSON and returns JSON.
func readConfig(path string) (json.RawMessage, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var v any
	if err := yaml.Unmarshal(raw, &v); err != nil {
		return nil, &exitError{exitUsage, fmt.Errorf("%s: %w", path, err)}
	}
	out, err := json.Marshal(v)
	if err != nil {
		return nil, &exitError{exitUsage, fmt.Errorf("%s: %w", path, err)}
	}
	return out, nil
}

// withSettings lays KEY=VALUE settings with dotted keys over a configuration. A value is JSON, or else a string.
func withSettings(config json.RawMessage, settings []string) (json.RawMessage, error) {
	var root map[string]any
	if err := json.Unmarshal(config, &root); err != nil || root == nil {
		return nil, &exitError{exitUsage, fmt.Errorf("the configuration is not a mapping of keys")}
	}
	for _, s := range settings {
		key, text, ok := strings.Cut(s, "=")
		if !ok || key == "" {
			return nil, &exitError{exitUsage, fmt.Errorf("setting %q is not of the form key=value", s)}
		}
		var value any
		if json.Unmarshal([]byte(text), &value) != nil {
			value = text
		} else if _, isNumber := value.(float64); isNumber {
			value = json.Number(text) // as it was written
		}
		at, path := root, strings.Split(key, ".")
		for _, p := range path[:len(path)-1] {
			next, ok := at[p].(map[string]any)
			if !ok {
				next = map[string]any{}
				at[p] = next
			}
			at = next
		}
		at[path[len(path)-1]] = value
	}
	return json.Marshal(root)
}

// parseSize reads "10MB", "512KiB" or a plain number of bytes.
func parseSize(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	number := strings.TrimRight(s, "kKMGTiB ")
	factor, ok := map[string]float64{
		"": 1, "B": 1, "k": 1e3, "kB": 1e3, "KB": 1e3, "K": 1e3, "M": 1e6, "MB": 1e6, "G": 1e9, "GB": 1e9, "T": 1e12, "TB": 1e12,
		"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
	}[strings.TrimSpace(s[len(number):])]
	v, err := strconv.ParseFloat(number, 64)
	if err != nil || !ok || v < 0 || v*factor > 1e18 {
		return 0, &exitError{exitUsage, fmt.Errorf("%q is not a size such as 10MB", s)}
	}
	return int64(v * factor), nil
}
