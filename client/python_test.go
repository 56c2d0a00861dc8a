package client_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The snippet that docs/logging.md offers to Python does what it says.
func TestThePythonOfTheDocs(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("SKIPPED: the snippet of docs/logging.md: it needs Python 3")
	}
	page, err := os.ReadFile(filepath.Join("..", "docs", "logging.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, code, ok := strings.Cut(string(page), "```python\n")
	code, _, end := strings.Cut(code, "```")
	if !ok || !end {
		t.Fatal("docs/logging.md has no Python")
	}
	c := lab(t, "secret of the test")
	cmd := exec.CommandContext(soon(t), python, "-c", code)
	cmd.Env = append(os.Environ(), "MILLRACE_URL="+c.URL(), "MILLRACE_TOKEN=secret of the test", "MILLRACE_RUN=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	run, err := c.Find(t.Context(), "from python")
	if err != nil || run.Status != "FINISHED" || !strings.Contains(string(run.Config), "3e-4") && !strings.Contains(string(run.Config), "0.0003") {
		t.Fatalf("%+v %s %v", run, run.Config, err)
	}
	for _, m := range run.Metrics {
		if m.Points != 250 || m.LastStep != 249 {
			t.Errorf("%+v", m)
		}
	}
	if len(run.Metrics) != 2 {
		t.Errorf("%+v", run.Metrics)
	}
}
