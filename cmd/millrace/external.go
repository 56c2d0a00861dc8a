package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"millrace/client"
)

// externalCmd starts a command as a run, on a worker.
type externalCmd struct {
	Command     []string      `arg:"" optional:"" passthrough:"" help:"The command, after --: millrace external -- torchrun train.py"`
	Spec        string        `help:"YAML or JSON file with any of name, experiment, config, dataset, checkpoint, files, suites, tags, command; flags win." type:"existingfile" placeholder:"FILE"`
	Name        string        `help:"Name of the run (default: the command)."`
	Experiment  string        `short:"e" help:"Experiment it belongs to; a new name opens one."`
	Config      string        `short:"c" help:"Hyper-parameters, as a YAML or JSON file; the command finds them in the file MILLRACE_CONFIG." type:"existingfile" placeholder:"FILE"`
	Set         []string      `short:"s" help:"One hyper-parameter, e.g. -s lr=3e-4." placeholder:"KEY=VALUE" sep:"none"`
	Dataset     string        `help:"A dataset that the command finds below MILLRACE_INPUTS: its name or digest." placeholder:"NAME"`
	Checkpoint  string        `help:"A checkpoint that the command finds below MILLRACE_INPUTS: its digest." placeholder:"DIGEST"`
	File        []string      `help:"A file, or a folder with its files, to put into the command's working directory." type:"existingpath" placeholder:"PATH" sep:"none"`
	Env         []string      `help:"A variable of the command's environment; it is recorded, so no secrets." placeholder:"KEY=VALUE" sep:"none"`
	Dir         string        `help:"Working directory on the worker's machine (default: a folder of the run's own)." placeholder:"DIR"`
	Suites      []string      `help:"Suites to judge every checkpoint on." placeholder:"NAME,…"`
	Metrics     string        `help:"\"door\": the command logs over HTTP or not at all; \"stdout\": lines that are JSON objects with a step are points." placeholder:"HOW"`
	Checkpoints string        `help:"Where checkpoints appear: a folder, or s3://bucket/prefix (default: a folder of the run's own)." placeholder:"PLACE"`
	Pattern     string        `help:"Regular expression of the names of checkpoints; its group is the step (default ^step-(\\d+)$)." placeholder:"REGEXP"`
	Marker      string        `help:"File that is there once a checkpoint is complete (default: it is when it has its name)." placeholder:"NAME"`
	Signal      string        `help:"What asks the command to stop (default SIGTERM)." placeholder:"NAME"`
	Grace       time.Duration `help:"How long it may then take (default 30s)." placeholder:"TIME"`
	Retries     int           `help:"How often it is started again when it fails (default 3)." default:"-1" placeholder:"N"`
	Tag         []string      `help:"A tag." placeholder:"KEY=VALUE" sep:"none"`
	Label       []string      `help:"A label." placeholder:"LABEL"`
	Dollars     float64       `help:"Budget: it is asked to stop when so much is spent, and can be resumed with more." placeholder:"N"`
	Detach      bool          `short:"d" help:"Do not wait for the end."`
}

// Help says what the command finds.
func (externalCmd) Help() string {
	return `A worker that was started with "millrace up --allow-external" runs the command, keeps its console and what it consumes, stores and evaluates its
checkpoints, stops it by signal, and starts it again from its newest checkpoint when it, or the worker, was killed. The command finds in its environment
MILLRACE_URL, MILLRACE_RUN and MILLRACE_TOKEN to log with, MILLRACE_CONFIG, MILLRACE_INPUTS, MILLRACE_CHECKPOINTS to write to, and MILLRACE_RESUME, a
folder with the checkpoint to go on from, empty the first time. In arguments ${MILLRACE_CHECKPOINTS} and the like are replaced.`
}

// externalSpec is the file.
type externalSpec struct {
	Name       string            `json:"name"`
	Experiment string            `json:"experiment"`
	Config     json.RawMessage   `json:"config"`
	Dataset    string            `json:"dataset"`
	Checkpoint string            `json:"checkpoint"`
	Files      []string          `json:"files"` // paths from the spec's folder
	Suites     []string          `json:"suites"`
	Tags       map[string]string `json:"tags"`
	Command    map[string]any    `json:"command"`
}

// Run asks for the run and, unless detached, follows it to its end.
func (cmd *externalCmd) Run(ctx context.Context, g *Global) error {
	spec, err := cmd.merged()
	if err != nil {
		return err
	}
	c := g.client()
	s := client.StartRun{Kind: "EXTERNAL", Name: spec.Name, Experiment: spec.Experiment, Suites: spec.Suites, Labels: cmd.Label, Budget: atMost(cmd.Dollars)}
	if s.Config, err = withSettings(spec.Config, cmd.Set); err != nil {
		return err
	}
	if s.Command, err = json.Marshal(spec.Command); err != nil {
		return err
	}
	for key, value := range spec.Tags {
		s.Tags = append(s.Tags, client.Tag{Key: key, Value: value})
	}
	if spec.Dataset != "" {
		s.Inputs = append(s.Inputs, client.Input{Role: "dataset", Digest: spec.Dataset})
	}
	if spec.Checkpoint != "" {
		s.Inputs = append(s.Inputs, client.Input{Role: "checkpoint", Digest: spec.Checkpoint})
	}
	for _, path := range spec.Files {
		files, err := sendFiles(ctx, c, path)
		if err != nil {
			return err
		}
		s.Inputs = append(s.Inputs, files...)
	}
	if !cmd.Detach && !g.JSON {
		if _, _, _, roles, err := c.System(ctx); err == nil && !strings.Contains(strings.Join(roles, " "), "external") {
			fmt.Fprintln(os.Stderr, "millrace: this node starts no commands itself: the run waits for a worker with \"millrace up --allow-external\"")
		}
	}
	return start(ctx, g, s, cmd.Detach)
}

// merged lays the flags over the file.
func (cmd *externalCmd) merged() (externalSpec, error) {
	spec := externalSpec{Config: json.RawMessage(`{}`), Tags: map[string]string{}, Command: map[string]any{}}
	if cmd.Spec != "" {
		raw, err := readConfig(cmd.Spec)
		if err != nil {
			return spec, err
		}
		d := json.NewDecoder(strings.NewReader(string(raw)))
		d.DisallowUnknownFields()
		d.UseNumber()
		if err := d.Decode(&spec); err != nil {
			return spec, &exitError{exitUsage, fmt.Errorf("%s: %w", cmd.Spec, err)}
		}
		for i, f := range spec.Files {
			if !filepath.IsAbs(f) {
				spec.Files[i] = filepath.Join(filepath.Dir(cmd.Spec), f)
			}
		}
		if spec.Command == nil {
			spec.Command = map[string]any{}
		}
		if spec.Tags == nil {
			spec.Tags = map[string]string{}
		}
	}
	if len(cmd.Command) > 0 && cmd.Command[0] == "--" {
		cmd.Command = cmd.Command[1:]
	}
	if len(cmd.Command) > 0 {
		spec.Command["args"] = cmd.Command
	}
	args := spec.Command["args"]
	if args == nil {
		return spec, &exitError{exitUsage, errors.New("external: no command: millrace external -- torchrun train.py, or --spec FILE with command.args")}
	}
	if spec.Name == "" && cmd.Name == "" {
		words := make([]string, 0, 8)
		switch list := args.(type) {
		case []string:
			words = list
		case []any:
			for _, a := range list {
				words = append(words, fmt.Sprint(a))
			}
		}
		spec.Name = clip(strings.Join(words, " "), 80)
	}
	if cmd.Config != "" {
		raw, err := readConfig(cmd.Config)
		if err != nil {
			return spec, err
		}
		spec.Config = raw
	}
	for _, f := range []struct {
		flag string
		to   *string
	}{{cmd.Name, &spec.Name}, {cmd.Experiment, &spec.Experiment}, {cmd.Dataset, &spec.Dataset}, {cmd.Checkpoint, &spec.Checkpoint}} {
		if f.flag != "" {
			*f.to = f.flag
		}
	}
	if len(cmd.Suites) > 0 {
		spec.Suites = cmd.Suites
	}
	spec.Files = append(spec.Files, cmd.File...)
	tags, err := keyValues("tag", cmd.Tag)
	if err != nil {
		return spec, err
	}
	for k, v := range tags {
		spec.Tags[k] = v
	}
	return spec, cmd.settings(spec.Command)
}

// settings lays the flags about the command over what the file says of it.
func (cmd *externalCmd) settings(command map[string]any) error {
	env, err := keyValues("variable", cmd.Env)
	if err != nil {
		return err
	}
	for k, v := range env {
		inner(command, "env")[k] = v
	}
	for _, f := range []struct {
		flag string
		to   map[string]any
		key  string
	}{{cmd.Dir, command, "dir"}, {cmd.Metrics, command, "metrics"}, {cmd.Signal, command, "signal"}} {
		if f.flag != "" {
			f.to[f.key] = f.flag
		}
	}
	for key, flag := range map[string]string{"in": cmd.Checkpoints, "pattern": cmd.Pattern, "marker": cmd.Marker} {
		if flag != "" {
			inner(command, "checkpoints")[key] = flag
		}
	}
	if cmd.Grace != 0 {
		command["grace_seconds"] = cmd.Grace.Seconds()
	}
	if cmd.Retries >= 0 {
		command["retries"] = cmd.Retries
	}
	return nil
}

// inner is the mapping at a key, made when there is none.
func inner(m map[string]any, key string) map[string]any {
	in, ok := m[key].(map[string]any)
	if !ok {
		in = map[string]any{}
		m[key] = in
	}
	return in
}

// keyValues reads KEY=VALUE settings.
func keyValues(what string, list []string) (map[string]string, error) {
	out := map[string]string{}
	for _, p := range list {
		key, value, ok := strings.Cut(p, "=")
		if !ok || key == "" {
			return nil, &exitError{exitUsage, fmt.Errorf("%s %q is not of the form key=value", what, p)}
		}
		out[key] = value
	}
	return out, nil
}

// Bounds of the files that a run brings along: they are code, not data.
const (
	maxSent     = 64 << 20 // bytes of one
	maxSentList = 1000
)

// sendFiles stores a file, or the files below a folder but for hidden ones, and names them as inputs.
func sendFiles(ctx context.Context, c *client.Client, path string) (out []client.Input, err error) {
	root := filepath.Dir(path)
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		root = path
	}
	err = filepath.WalkDir(path, func(p string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := e.Name(); p != path && (strings.HasPrefix(name, ".") || name == "__pycache__") {
			if e.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		if e.IsDir() {
			return nil
		}
		info, err := os.Stat(p)
		if err != nil || !info.Mode().IsRegular() {
			return err
		}
		if info.Size() > maxSent || len(out) == maxSentList {
			return &exitError{exitUsage, fmt.Errorf("%s: at most %d files of %d MB each go with a run; put data where the worker can read it", path, maxSentList, maxSent>>20)}
		}
		raw, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		digest, err := c.PutBlob(ctx, raw)
		if err != nil {
			return err
		}
		out = append(out, client.Input{Role: "file", Digest: string(digest), Name: filepath.ToSlash(name)})
		return nil
	})
	return out, err
}
