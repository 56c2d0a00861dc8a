package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"millrace/client"
	"millrace/services/node"
)

// Global are the flags of every command.
type Global struct {
	URL   string `help:"Address of the node (default: of the node in --data, else http://127.0.0.1:7070)." env:"MILLRACE_URL" placeholder:"URL"`
	Token string `help:"Token of a node that asks for one." env:"MILLRACE_TOKEN" placeholder:"TOKEN"`
	Data  string `help:"Data directory of the node on this machine." env:"MILLRACE_DATA" default:"${data}" type:"path"`
	AsOf  string `name:"as-of" help:"Show things as they were: a place in the log, or a time such as 2026-11-17, 2026-11-17T09:30 or 36h ago." placeholder:"WHEN"`
	JSON  bool   `name:"json" help:"Print JSON for programs."`

	when time.Time // what AsOf says
}

// defaultData is where a node keeps its data unless told otherwise.
func defaultData() string {
	home, err := os.UserHomeDir()
	if err != nil {
		return ".millrace"
	}
	return filepath.Join(home, ".millrace")
}

// client finds the node.
func (g *Global) client() *client.Client {
	url := g.URL
	if url == "" {
		url = announced(g.Data)
	}
	if url == "" {
		url = "http://" + node.DefaultAddr
	}
	c := client.New(url, g.Token)
	if g.AsOf == "" {
		return c
	}
	if seq, err := strconv.ParseUint(g.AsOf, 10, 64); err == nil {
		return c.AsOf(seq)
	}
	return c.AsOfTime(g.when)
}

// AfterApply reads --as-of, so that a wrong one is said before anything is asked.
func (g *Global) AfterApply() error {
	if _, err := strconv.ParseUint(g.AsOf, 10, 64); err == nil || g.AsOf == "" {
		return nil
	}
	var err error
	g.when, err = instant(g.AsOf, time.Now())
	return err
}

// instant reads a point in time as people write it: a date, a date and a time of day, RFC 3339, or how long ago.
func instant(s string, now time.Time) (time.Time, error) {
	ago := strings.TrimSpace(strings.TrimSuffix(s, "ago"))
	if days, ok := strings.CutSuffix(ago, "d"); ok {
		if n, err := strconv.ParseFloat(days, 64); err == nil && n >= 0 {
			return now.Add(-time.Duration(n * float64(24*time.Hour))), nil
		}
	}
	if d, err := time.ParseDuration(ago); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	for _, form := range []string{time.DateOnly, "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02T15:04:05", time.DateTime} {
		if t, err := time.ParseInLocation(form, s, time.Local); err == nil {
			return t, nil
		}
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, fmt.Errorf("%q is no time: write 2026-11-17, 2026-11-17T09:30, 2026-11-17T09:30:00Z, 36h or 7d", s)
	}
	return t, nil
}

// announced is the address that a running node wrote into its data directory.
func announced(data string) string {
	raw, err := os.ReadFile(filepath.Join(data, "node.json"))
	if err != nil {
		return ""
	}
	var a struct{ URL string }
	if json.Unmarshal(raw, &a) != nil {
		return ""
	}
	return a.URL
}

// print writes v as JSON, or calls human to write it for people.
func (g *Global) print(v any, human func(io.Writer) error) error {
	if !g.JSON {
		return human(os.Stdout)
	}
	enc := json.NewEncoder(os.Stdout)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// codeOf maps errors to exit codes.
func codeOf(err error) int {
	var exit *exitError
	var refused *client.Refused
	var door *client.DoorError
	switch {
	case errors.As(err, &exit):
		return exit.code
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.Is(err, client.ErrUnreachable):
		return exitNoNode
	case errors.As(err, &refused), errors.Is(err, client.ErrNotFound), errors.Is(err, client.ErrAmbiguous):
		return exitRefused
	case errors.As(err, &door) && door.Status < 500:
		return exitRefused
	case errors.Is(err, node.ErrConfig):
		return exitUsage
	}
	return exitFailed
}

// runFailed is a run that ended badly, as an error.
func runFailed(r client.Run) error {
	if r.Failure == nil {
		return fmt.Errorf("run %s is %s", r.ID, strings.ToLower(r.Status))
	}
	return &failedRun{r}
}

type failedRun struct{ run client.Run }

func (f *failedRun) Error() string {
	return fmt.Sprintf("run %s failed: %s", f.run.ID, plain(errors.New(f.run.Failure.Message)))
}
func (f *failedRun) Hint() string { return f.run.Failure.Hint }
