package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"millrace/services/node"
)

// doctorCmd checks what a node needs.
type doctorCmd struct {
	Verify bool `help:"With the node stopped: fold its whole log anew and compare the result with its read model, byte by byte."`
}

// finding is one thing that was looked at.
type finding struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	Says string `json:"says"`
}

func (cmd *doctorCmd) Run(ctx context.Context, g *Global) error {
	if cmd.Verify {
		facts, err := node.VerifyView(ctx, g.Data, logger(false))
		if err != nil {
			return err
		}
		return g.print(finding{"view", true, fmt.Sprintf("%d facts fold to exactly what the read model holds", facts)}, func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "ok  %d facts fold to exactly what the read model holds\n", facts)
			return err
		})
	}
	found := machine(g)
	c := g.client()
	v, applied, lastSeq, roles, err := c.System(ctx)
	if err != nil {
		found = append(found, finding{"node", false, plain(err) + "; start one with \"millrace up\""})
	} else {
		found = append(found, finding{"node", true, fmt.Sprintf("%s, version %s, roles %s, log at %d, view at %d", c.URL(), v, strings.Join(roles, " "), lastSeq, applied)})
		found = append(found, ready(ctx, c.URL()))
		summary, warnings, derr := c.Durability(ctx)
		if derr != nil {
			summary, warnings = plain(derr), []string{"the log does not tell what an acknowledged fact survives"}
		}
		found = append(found, finding{"log", len(warnings) == 0, strings.Join(append([]string{summary}, warnings...), "; ")})
	}
	if err := g.print(found, func(w io.Writer) error {
		rows := make([][]string, len(found))
		for i, f := range found {
			mark := "ok"
			if !f.OK {
				mark = "LOOK"
			}
			rows[i] = []string{mark, f.Name, f.Says}
		}
		return table(w, rows)
	}); err != nil {
		return err
	}
	if err != nil {
		return &exitError{exitNoNode, err}
	}
	for _, f := range found {
		if f.Name == "ready" && !f.OK {
			return errors.New("the node is not ready")
		}
	}
	return nil
}

// machine looks at what is here.
func machine(g *Global) []finding {
	m := node.Describe()
	found := []finding{{"machine", true, fmt.Sprintf("%s/%s, %d cores, %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), m.CPU)}}
	found = append(found, finding{"kernels", m.Kernels != "go", m.Kernels + map[bool]string{true: ": the portable ones; a processor with AVX2 or AVX-512 is many times faster"}[m.Kernels == "go"]})
	if err := os.MkdirAll(g.Data, 0o700); err != nil {
		found = append(found, finding{"data", false, err.Error()})
	} else {
		found = append(found, finding{"data", true, g.Data})
	}
	if _, err := exec.LookPath("nvidia-smi"); err == nil {
		found = append(found, finding{"gpu", true, "an NVIDIA driver is here; its usage is recorded"})
	} else {
		found = append(found, finding{"gpu", true, "no NVIDIA driver; training runs on the processor"})
	}
	return found
}

// ready asks the node's own checks.
func ready(ctx context.Context, url string) finding {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/readyz", nil)
	if err != nil {
		return finding{"ready", false, err.Error()}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return finding{"ready", false, err.Error()}
	}
	defer resp.Body.Close()
	var answer struct {
		Checks []struct {
			Name  string
			OK    bool
			Error string
		}
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&answer); err != nil {
		return finding{"ready", false, fmt.Sprintf("the node answers %s to /readyz: %v", resp.Status, err)}
	}
	says := make([]string, len(answer.Checks))
	for i, c := range answer.Checks {
		if says[i] = c.Name + " is ready"; !c.OK {
			says[i] = c.Name + ": " + c.Error
		}
	}
	return finding{"ready", resp.StatusCode == http.StatusOK, strings.Join(says, ", ")}
}
