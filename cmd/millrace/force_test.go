//go:build unix

package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"millrace/client"
	"millrace/curator"
)

// TestASecondInterruptForces tells a node to stop in the middle of a long step, and then again.
func TestASecondInterruptForces(t *testing.T) {
	data := t.TempDir()
	node := exec.Command("millrace", "up", "--data", data, "--addr", "127.0.0.1:0")
	var said strings.Builder
	node.Stderr = &said
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- node.Wait() }()
	defer func() {
		_ = node.Process.Kill()
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	}()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	eventually(t, ctx, "the node's address", func() bool { return announced(data) != "" })
	c := client.New(announced(data), "")

	text := filepath.Join(t.TempDir(), "mill")
	if err := corpus(text, 60); err != nil {
		t.Fatal(err)
	}
	recipe, err := folderRecipe("mill", []string{text}, nil, 0, 300, curator.ByDocument)
	if err != nil {
		t.Fatal(err)
	}
	set, err := c.Start(ctx, client.StartRun{Kind: "CURATE", Config: recipe})
	if err != nil {
		t.Fatal(err)
	}
	if set, err = follow(ctx, c, set.ID, true); err != nil || set.Status != "FINISHED" {
		t.Fatalf("%s: %v", set.Status, err)
	}
	// A step of thousands of small batches: it takes seconds, and a training is left between steps only.
	config := json.RawMessage(`{"model": {"n_layer": 2, "n_head": 2, "d_model": 64, "context": 8}, "batch_size": 1, "grad_accum": 4000, "steps": 1000}`)
	run, err := c.Start(ctx, client.StartRun{Kind: "TRAIN", Config: config, Suites: []string{}, Inputs: []client.Input{{Role: "dataset", Digest: "mill"}}})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, ctx, "a first step", func() bool {
		now, err := c.Run(ctx, run.ID)
		_, ok := now.Last("train/loss")
		return err == nil && ok
	})
	if err := node.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond) // the first signal must have arrived; a step is longer than that
	if err := node.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	select {
	case err = <-ended:
	case <-ctx.Done():
		t.Fatal("it does not end")
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		t.Fatalf("%v\n%s", err, said.String())
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); !ok || !status.Signaled() || status.Signal() != syscall.SIGINT {
		t.Errorf("%v, want death by SIGINT\n%s", err, said.String())
	}
}

func eventually(t *testing.T, ctx context.Context, what string, is func() bool) {
	t.Helper()
	for !is() {
		select {
		case <-ctx.Done():
			t.Fatalf("%s does not come", what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
