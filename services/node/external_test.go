package node_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// program stands for somebody else's trainer: 40 steps of a tenth of a second, points over HTTP, a checkpoint every 5 steps. It writes down its
// process id and the step it begins at.
func program(ledger string) int {
	fail := func(err error) int {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	first := 0
	if dir := os.Getenv("MILLRACE_RESUME"); dir != "" {
		raw, err := os.ReadFile(filepath.Join(dir, "step"))
		if err == nil {
			first, err = strconv.Atoi(string(raw))
		}
		if err != nil {
			return fail(err)
		}
	}
	f, err := os.OpenFile(ledger, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fail(err)
	}
	if _, err := fmt.Fprintf(f, "%d %d\n", os.Getpid(), first); err != nil {
		return fail(err)
	}
	for step := first + 1; step <= 40; step++ {
		time.Sleep(100 * time.Millisecond)
		body := fmt.Appendf(nil, `{"writer":"rank0","points":[{"key":"train/loss","step":%d,"value":%g}]}`, step, 1/float64(step))
		resp, err := http.Post(os.Getenv("MILLRACE_URL")+"/api/v1/runs/"+os.Getenv("MILLRACE_RUN")+"/points", "application/json", bytes.NewReader(body))
		if err != nil {
			return fail(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		if resp.Body.Close(); resp.StatusCode != http.StatusOK {
			return fail(fmt.Errorf("the door answers %s", resp.Status))
		}
		if step%5 != 0 {
			continue
		}
		at := os.Getenv("MILLRACE_CHECKPOINTS")
		if err := os.MkdirAll(filepath.Join(at, ".new"), 0o700); err != nil {
			return fail(err)
		}
		if err := os.WriteFile(filepath.Join(at, ".new", "step"), []byte(strconv.Itoa(step)), 0o600); err != nil {
			return fail(err)
		}
		if err := os.Rename(filepath.Join(at, ".new"), filepath.Join(at, fmt.Sprintf("step-%d", step))); err != nil {
			return fail(err)
		}
	}
	return 0
}
