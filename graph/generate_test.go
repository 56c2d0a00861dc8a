package graph_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The committed output is what gqlgen makes of the committed schema and configuration. It is made anew under testdata, where no
// other package looks, without the resolvers, which are written by hand.
func TestGeneratedCodeIsUpToDate(t *testing.T) {
	if testing.Short() {
		t.Skip("runs gqlgen, which takes a while")
	}
	config, err := os.ReadFile("gqlgen.yml")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("testdata", "generated-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	text := strings.NewReplacer("- schema/", "- ../../schema/", "internal/gen", "gen").Replace(string(config))
	head, rest, ok := strings.Cut(text, "\nresolver:\n")
	_, tail, ok2 := strings.Cut(rest, "\n\n")
	if !ok || !ok2 {
		t.Fatal("gqlgen.yml has no resolver section to leave out")
	}
	file := filepath.Join(dir, "gqlgen.yml")
	if err := os.WriteFile(file, []byte(head+"\n\n"+tail), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "tool", "gqlgen", "generate", "--config", "gqlgen.yml")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("gqlgen: %v\n%s", err, out)
	}
	fresh, err := filepath.Glob(filepath.Join(dir, "gen", "*.go"))
	if err != nil || len(fresh) == 0 {
		t.Fatal("nothing was generated", err)
	}
	kept, err := filepath.Glob("internal/gen/*.go")
	if err != nil {
		t.Fatal(err)
	}
	if len(kept) != len(fresh) {
		t.Errorf("%d files are generated, %d are kept", len(fresh), len(kept))
	}
	// gqlgen writes where it writes to into the names of functions.
	here := strings.NewReplacer(
		"millraceᚋgraphᚋtestdataᚋ"+strings.ReplaceAll(filepath.Base(dir), "-", "ᚑ")+"ᚋgen", "millraceᚋgraphᚋinternalᚋgen",
		`"../../../schema/`, `"../../schema/`,
	)
	for _, f := range fresh {
		want, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join("internal/gen", filepath.Base(f))
		got, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if want := here.Replace(string(want)); string(got) != want {
			t.Errorf("%s is stale: run go generate ./graph\n%s", name, diff(want, string(got)))
		}
	}
}
