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
	"millrace/services/node"
)

// Global are the flags of every command.
type Global struct {
	URL   string `help:"Address of the node (default: of the node in --data, else http://127.0.0.1:7070)." env:"MILLRACE_URL" placeholder:"URL"`
	Token string `help:"Token of a node that asks for one." env:"MILLRACE_TOKEN" placeholder:"TOKEN"`
	Data  string `help:"Data directory of the node on this machine." env:"MILLRACE_DATA" default:"${data}" type:"path"`
	JSON  bool   `name:"json" help:"Print JSON for programs."`
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
	return client.New(url, g.Token)
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
	switch {
	case errors.As(err, &exit):
		return exit.code
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.Is(err, client.ErrUnreachable):
		return exitNoNode
	case errors.As(err, &refused), errors.Is(err, client.ErrNotFound), errors.Is(err, client.ErrAmbiguous):
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
