package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

const (
	peersFolder  = "bench/peers" // their scripts and requirements
	peersInstall = "build/peers" // their virtual environments
)

// peers runs the scripts of bench/peers.
type peers struct {
	python  string
	missing string // why there are none
}

// newPeers makes the virtual environment of the peers that bench/peers/<name>.txt lists, if it is not there from the last time.
func newPeers(ctx context.Context, name string) peers {
	install := filepath.Join(peersInstall, name)
	err := installPeers(ctx, name, install)
	if err != nil {
		p := peers{missing: name + " not installed: " + err.Error()}
		fmt.Fprintln(os.Stderr, p.missing)
		return p
	}
	python, err := filepath.Abs(filepath.Join(install, "bin", "python"))
	if err != nil {
		return peers{missing: err.Error()}
	}
	return peers{python: python}
}

func installPeers(ctx context.Context, name, install string) error {
	requirements := filepath.Join(peersFolder, name+".txt")
	want, err := os.ReadFile(requirements)
	if err != nil {
		return err
	}
	stamp := filepath.Join(install, "requirements.txt")
	if have, err := os.ReadFile(stamp); err == nil && bytes.Equal(have, want) {
		return nil
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		return errors.New("there is no python3")
	}
	fmt.Fprintln(os.Stderr, "installing peers into", install)
	if err := os.RemoveAll(install); err != nil {
		return err
	}
	for _, args := range [][]string{
		{python, "-m", "venv", install},
		{filepath.Join(install, "bin", "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements},
	} {
		if out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %.300s", args[2], err, bytes.TrimSpace(out))
		}
	}
	return os.WriteFile(stamp, want, 0o644)
}

// figures is what a script prints.
type figures struct {
	Seconds   float64
	Megabytes float64
	Documents int
}

func (f figures) rate() float64 { return f.Megabytes / f.Seconds }

// run runs a script in one thread, unless threads says more. It returns nil without an error when there are no peers.
func (p peers) run(ctx context.Context, threads int, script string, args ...string) (*figures, error) {
	if p.missing != "" {
		return nil, nil
	}
	cmd := exec.CommandContext(ctx, p.python, append([]string{filepath.Join(peersFolder, script)}, args...)...)
	cmd.Env = append(os.Environ(), fmt.Sprint("OMP_NUM_THREADS=", threads), fmt.Sprint("RAYON_NUM_THREADS=", threads), "TOKENIZERS_PARALLELISM=true", "HF_HUB_OFFLINE=1", "PYTHONDONTWRITEBYTECODE=1")
	var errOut bytes.Buffer
	cmd.Stderr = &errOut
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", script, err, errOut.Bytes())
	}
	var f figures
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	if err := json.Unmarshal(lines[len(lines)-1], &f); err != nil || f.Seconds <= 0 {
		return nil, fmt.Errorf("%s: %w in %.300q", script, err, out)
	}
	return &f, nil
}

// seconds is what a script takes; 0 when there are no peers.
func (p peers) seconds(ctx context.Context, threads int, script string, args ...string) func() (float64, error) {
	return func() (float64, error) {
		f, err := p.run(ctx, threads, script, args...)
		if err != nil || f == nil {
			return 0, err
		}
		return f.Seconds, nil
	}
}
