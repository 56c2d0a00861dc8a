// Command millrace is the lab in one program: the node that curates, trains, evaluates and tracks, and the commands that talk to
// it. `millrace --help` lists them.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// version is set by the linker.
var version = "dev"

func main() { os.Exit(run(os.Args[1:])) }

// run does one command and returns the process's exit code.
func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() { // the first signal asks, the second forces
		<-ctx.Done()
		stop()
	}()
	var c cli
	parser, err := kong.New(&c, kong.Name("millrace"), kong.Description(about), kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}), kong.Vars{"version": version, "data": defaultData()},
		kong.BindTo(ctx, (*context.Context)(nil)))
	if err != nil {
		panic(err) // the command line is described wrongly: a defect, found by any test
	}
	cmd, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(os.Stderr, "millrace: %v\n", err)
		return exitUsage
	}
	return report(cmd.Run(&c.Global, cmd.Model))
}

const about = `The lab in one program for people who build language models from scratch.

Start a node with "millrace up"; the other commands talk to it. See the whole loop with "millrace demo".

Exit codes: 0 done; 1 the run failed, or anything else went wrong; 2 wrong usage; 3 no node answers; 4 refused or not found; 5 a
reproduction differs; 130 interrupted.`

// cli is every command.
type cli struct {
	Global
	Up         upCmd         `cmd:"" help:"Start a node (everything embedded unless told otherwise)."`
	Demo       demoCmd       `cmd:"" help:"Run the whole loop on real text: curate, train twice, evaluate, compare, reproduce."`
	Curate     curateCmd     `cmd:"" help:"Make a dataset from folders or JSONL files, or by a recipe."`
	Train      trainCmd      `cmd:"" help:"Train a model on a dataset."`
	Eval       evalCmd       `cmd:"" help:"Evaluate a checkpoint on a suite."`
	Runs       runsCmd       `cmd:"" help:"List runs."`
	Show       showCmd       `cmd:"" help:"Show a run: status, metrics, cost, checkpoints with scores and samples."`
	Compare    compareCmd    `cmd:"" help:"Compare runs: what differs in configuration, and how they did."`
	Watch      watchCmd      `cmd:"" help:"Watch a run, or all runs, live."`
	Reproduce  reproduceCmd  `cmd:"" help:"Do a recorded run again and compare it bit for bit."`
	Stop       stopCmd       `cmd:"" help:"Ask a run to stop at its next safe point."`
	Events     eventsCmd     `cmd:"" help:"Print the log of events."`
	Doctor     doctorCmd     `cmd:"" help:"Check this machine, and the node if one answers."`
	S3         s3Cmd         `cmd:"" name:"s3" help:"Serve only the embedded S3 store, for nodes elsewhere."`
	Completion completionCmd `cmd:"" help:"Print a shell completion script."`
	Version    versionCmd    `cmd:"" help:"Print the version."`
}

// The exit codes.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitNoNode      = 3
	exitRefused     = 4
	exitDifferent   = 5
	exitInterrupted = 130
)

// exitError is an error with an exit code of its own.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// hinted is an error that knows what to do about it.
type hinted interface{ Hint() string }

// report prints an error for a person and picks the exit code.
func report(err error) int {
	if err == nil {
		return exitOK
	}
	code := codeOf(err)
	if code == exitInterrupted {
		fmt.Fprintln(os.Stderr, "millrace: interrupted")
		return code
	}
	fmt.Fprintf(os.Stderr, "millrace: %v\n", err)
	var h hinted
	if errors.As(err, &h) && h.Hint() != "" {
		fmt.Fprintf(os.Stderr, "  what to do: %s\n", h.Hint())
	} else if code == exitNoNode {
		fmt.Fprintln(os.Stderr, "  what to do: start one with \"millrace up\", or name it with --url")
	}
	return code
}

type versionCmd struct{}

func (versionCmd) Run() error {
	fmt.Println("millrace", version)
	return nil
}
