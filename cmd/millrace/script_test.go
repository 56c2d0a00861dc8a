package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"millrace/acceptance/freeport"
)

// TestMain makes of this test binary the program that the scripts run.
func TestMain(m *testing.M) {
	testscript.Main(leakless{m}, map[string]func(){"millrace": main})
}

// leakless fails when a goroutine outlives the tests.
type leakless struct{ m *testing.M }

func (l leakless) Run() int {
	code := l.m.Run()
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	return code
}

// TestScripts runs the commands as a person would. The scripts know, besides testscript's own commands:
//
//	exits CODE COMMAND ARGS…   runs a command that must end with that exit code
//	awaits FILE [REGEXP]       waits until a file exists, and holds a match
//	until REGEXP COMMAND …     runs a command again and again until its standard output matches
//	keep NAME REGEXP           sets $NAME to the first group of a match in the last standard output
//	sums                       begins a model elsewhere that adds, and sets $SUMS to its endpoint
//	judge                      begins one that likes the longer of two answers, and sets $JUDGE
//	graphql QUERY              asks the node something that must go well, and prints the answer
func TestScripts(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED in the race pass: they run the program's commands, and have run in the pass before it; services/node races the node")
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("MILLRACE_DATA", filepath.Join(e.WorkDir, "data"))
			e.Setenv("MILLRACE_JOURNAL", filepath.Join(e.WorkDir, "journal"))
			for _, name := range []string{"MILLRACE_URL", "MILLRACE_RUN", "MILLRACE_TOKEN", "MILLRACE_ADDR", "MILLRACE_NATS_URL", "MILLRACE_S3_ENDPOINT", "MILLRACE_S3_ACCESS_KEY", "MILLRACE_S3_SECRET_KEY"} {
				e.Setenv(name, "")
			}
			models, err := filepath.Abs("../../trainer/model/exchange/testdata") // as other programs save them
			if err != nil {
				return err
			}
			e.Setenv("MODELS", models)
			e.Setenv("ADDR", freeport.Addr(t)) // one that nothing else listens on
			return corpus(filepath.Join(e.WorkDir, "text"), 60)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "awaits": awaits, "until": until, "keep": keep, "sums": sums, "judge": judge, "graphql": graphql,
		},
	})
}

// corpus writes sentences made by rule, no two documents the same.
func corpus(dir string, documents int) error {
	subjects := []string{"the miller", "a trout", "the old wheel", "rain", "the river", "a heron", "the stone"}
	verbs := []string{"turns", "waits for", "grinds", "follows", "carries", "remembers", "leaves"}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for d := range documents {
		var b strings.Builder
		for i := range 40 {
			k := d*37 + i*11
			fmt.Fprintf(&b, "%s %s %s near mill %c.\n", subjects[k%7], verbs[(k/7+i)%7], subjects[(k/3+d)%7], 'A'+(d+i)%26)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("doc%02d.txt", d)), []byte(b.String()), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// patience bounds what a script waits for. Nothing asserts a time.
const patience = time.Minute

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND ARGS…")
	}
	err := ts.Exec(args[1], args[2:]...)
	code, exit := 0, (*exec.ExitError)(nil)
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

func awaits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: awaits FILE [REGEXP]")
	}
	want := regexp.MustCompile(append(args, "")[1])
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		raw, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil && want.Match(raw) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s: %v\n%s", args[0], err, raw)
		}
	}
}

func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until REGEXP COMMAND ARGS…")
	}
	want := regexp.MustCompile(args[0])
	for deadline := time.Now().Add(patience); ; time.Sleep(200 * time.Millisecond) {
		err := ts.Exec(args[1], args[2:]...)
		if want.MatchString(ts.ReadFile("stdout")) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%v", err)
		}
	}
}

func keep(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: keep NAME REGEXP")
	}
	m := regexp.MustCompile(args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if len(m) < 2 {
		ts.Fatalf("no match for %s", args[1])
	}
	ts.Setenv(args[0], m[1])
}
