package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"millrace/client"
)

// suiteCmd is the suites by which models are judged.
type suiteCmd struct {
	List suiteListCmd `cmd:"" default:"withargs" help:"List suites."`
	Show suiteShowCmd `cmd:"" help:"Print a suite's definition."`
	Add  suiteAddCmd  `cmd:"" help:"Save a suite, or a task as a suite of one, with the files that its tasks read."`
}

type suiteListCmd struct {
	Name string `arg:"" optional:"" help:"Only the versions of this one."`
}

func (cmd *suiteListCmd) Run(ctx context.Context, g *Global) error {
	all, err := g.client().Suites(ctx, cmd.Name)
	if err != nil {
		return err
	}
	return g.print(all, func(w io.Writer) error {
		rows := [][]string{{"SUITE", "VERSION", "DIGEST", "TASKS", "FROM"}}
		for _, s := range all {
			from := s.By
			if s.BuiltIn {
				from = "the program"
			}
			rows = append(rows, []string{s.Name, fmt.Sprint(s.Version), s.Digest.Short(), clip(strings.Join(s.Tasks, ", "), 60), from})
		}
		return table(w, rows)
	})
}

type suiteShowCmd struct {
	Suite string `arg:"" help:"NAME or NAME@VERSION."`
}

func (cmd *suiteShowCmd) Run(ctx context.Context, g *Global) error {
	name, version, err := named(cmd.Suite)
	if err != nil {
		return err
	}
	s, err := g.client().Suite(ctx, name, version)
	if errors.Is(err, client.ErrNotFound) {
		return &exitError{exitRefused, fmt.Errorf("there is no suite %q; list them with: millrace suite list", cmd.Suite)}
	}
	if err != nil {
		return err
	}
	return g.print(s, func(w io.Writer) error {
		out, err := json.MarshalIndent(s.Definition, "", "  ")
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, "%s\n", out)
		return err
	})
}

// named reads NAME or NAME@VERSION.
func named(what string) (name string, version int, err error) {
	name, v, ok := strings.Cut(what, "@")
	if !ok {
		return name, 0, nil
	}
	if _, err := fmt.Sscanf(v, "%d", &version); err != nil || version < 1 || fmt.Sprint(version) != v {
		return "", 0, &exitError{exitUsage, fmt.Errorf("%q is no version; write NAME@1", v)}
	}
	return name, version, nil
}

type suiteAddCmd struct {
	File    string   `arg:"" help:"A suite's or a task's JSON; or the name of a suite that is there, to pin its files." placeholder:"FILE"`
	Files   []string `name:"file" help:"The file that a task reads: a path, a URL, or s3://bucket/key of the node's store." placeholder:"TASK=FILE" sep:"none"`
	FewShot []string `help:"The file of its solved examples." placeholder:"TASK=FILE" sep:"none"`
	Labels  []string `help:"The file of its answers, where that is apart." placeholder:"TASK=FILE" sep:"none"`
	Version int      `help:"Save it as this version (default: as the file says)." placeholder:"N"`
}

func (cmd *suiteAddCmd) Run(ctx context.Context, g *Global) error {
	c := g.client()
	definition, err := os.ReadFile(cmd.File)
	if errors.Is(err, os.ErrNotExist) && !strings.ContainsAny(cmd.File, `./\`) {
		var there client.Suite
		if there, err = c.Suite(ctx, cmd.File, 0); err == nil {
			definition = there.Definition
		} else if errors.Is(err, client.ErrNotFound) {
			err = &exitError{exitUsage, fmt.Errorf("%q is no file and no suite", cmd.File)}
		}
	}
	if err != nil {
		return err
	}
	if cmd.Version > 0 {
		if definition, err = withVersion(definition, cmd.Version); err != nil {
			return err
		}
	}
	var files []client.SuiteData
	for _, given := range []struct {
		role  string
		pairs []string
	}{{"data", cmd.Files}, {"few_shot", cmd.FewShot}, {"labels", cmd.Labels}} {
		for _, pair := range given.pairs {
			task, from, ok := strings.Cut(pair, "=")
			if !ok || task == "" || from == "" {
				return &exitError{exitUsage, fmt.Errorf("%q is not of the form TASK=FILE", pair)}
			}
			f := client.SuiteData{Task: task, Role: given.role, From: from}
			if !strings.HasPrefix(from, "s3://") {
				raw, name, err := bring(ctx, from)
				if err != nil {
					return err
				}
				if f.Digest, err = c.PutBlob(ctx, raw); err != nil {
					return err
				}
				f.From = name
			}
			files = append(files, f)
		}
	}
	s, err := c.SaveSuite(ctx, definition, files, os.Getenv("USER"))
	if err != nil {
		return err
	}
	return g.print(s, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s@%d %s, %d tasks, %d files\n", s.Name, s.Version, s.Digest, len(s.Tasks), len(s.Data))
		return err
	})
}

// withVersion writes another version into a definition.
func withVersion(definition []byte, version int) ([]byte, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(definition, &fields); err != nil {
		return nil, &exitError{exitUsage, fmt.Errorf("the definition is no JSON object: %w", err)}
	}
	fields["version"] = json.RawMessage(fmt.Sprint(version))
	return json.Marshal(fields)
}

// maxBrought bounds a task's file that comes from this machine or the web, in bytes.
const maxBrought = 1 << 30

// bring reads a path or a URL, and says what to call it: without the user and the query of an address.
func bring(ctx context.Context, from string) ([]byte, string, error) {
	if !strings.HasPrefix(from, "http://") && !strings.HasPrefix(from, "https://") {
		f, err := os.Open(from)
		if err != nil {
			return nil, "", err
		}
		defer f.Close()
		raw, err := atMostBytes(f, from)
		return raw, filepath.Base(from), err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, "", &exitError{exitUsage, err}
	}
	shown := *req.URL
	shown.User, shown.RawQuery, shown.Fragment = nil, "", ""
	resp, err := (&http.Client{Timeout: 10 * time.Minute}).Do(req)
	if err != nil {
		return nil, "", fmt.Errorf("%s cannot be read", shown.String())
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, "", fmt.Errorf("%s answered %s", shown.String(), resp.Status)
	}
	raw, err := atMostBytes(resp.Body, shown.String())
	return raw, shown.String(), err
}

func atMostBytes(r io.Reader, name string) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxBrought+1))
	if err == nil && len(raw) > maxBrought {
		err = fmt.Errorf("%s has more than %d bytes: put it into a bucket and name it as s3://bucket/key", name, maxBrought)
	}
	return raw, err
}
