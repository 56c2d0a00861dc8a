// Command millrace is the lab in one program: the node that curates, trains, evaluates and tracks, and the commands that talk to
// it. `millrace --help` lists them.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"millrace/client"
	"millrace/services/node"
)

// version is set by the linker.
var version = "dev"

func main() {
	if len(os.Args) > 1 && os.Args[1] == "guard" { // what a node starts other people's programs with; not for people
		os.Exit(node.Guard(os.Args[2:]))
	}
	os.Exit(run(os.Args[1:]))
}

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
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}), kong.Vars{"version": version, "data": defaultData(), "run": runHelp},
		kong.BindTo(ctx, (*context.Context)(nil)))
	if err != nil {
		panic(err) // the command line is described wrongly: a defect, found by any test
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	cmd, err := parser.Parse(folderFirst(args))
	if err != nil {
		fmt.Fprintf(os.Stderr, "millrace: %v\n  what to do: %s\n", err, helpFor(err))
		return exitUsage
	}
	return report(cmd.Run(&c.Global, cmd.Model))
}

// runHelp says how commands take runs.
const runHelp = "A run: its id, the beginning or end of it, or its name (the newest of that name)."

// helpFor names the help that an error of the command line asks for.
func helpFor(err error) string {
	var parse *kong.ParseError
	if errors.As(err, &parse) && parse.Context != nil && parse.Context.Selected() != nil {
		return "millrace " + parse.Context.Selected().Path() + " --help"
	}
	return "millrace --help"
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
	Curate     curateCmd     `cmd:"" help:"Make a dataset by a recipe, or from folders or JSONL files; ask why a document was dropped."`
	Why        whyCmd        `cmd:"" hidden:"" help:"The same as curate why."`
	Train      trainCmd      `cmd:"" help:"Train a model on a dataset."`
	Finetune   finetuneCmd   `cmd:"" help:"Train a model further: on conversations or text, to classify, or by preferences."`
	Classify   classifyCmd   `cmd:"" help:"Tell the classes of texts by a model that was fine-tuned to classify."`
	Eval       evalCmd       `cmd:"" help:"Evaluate a checkpoint, or a model behind an API, on a suite."`
	Suite      suiteCmd      `cmd:"" help:"List, show and save suites, by which models are judged."`
	Generate   generateCmd   `cmd:"" help:"Let a checkpoint, or a model on this disk, go on with a text."`
	Serve      serveCmd      `cmd:"" help:"Serve models to clients of OpenAI's protocol; a node does so for its own checkpoints."`
	Import     importCmd     `cmd:"" help:"Bring a model from elsewhere: a folder of transformers, a GGUF, a file of llm.c."`
	Export     exportCmd     `cmd:"" help:"Take a checkpoint to transformers, llama.cpp or llm.c."`
	Runs       runsCmd       `cmd:"" help:"List runs."`
	Show       showCmd       `cmd:"" help:"Show a run: status, metrics, cost, checkpoints with scores and samples."`
	Cost       costCmd       `cmd:"" help:"What training costs: estimates, plans for a budget, prices, and what a run has cost."`
	Rule       ruleCmd       `cmd:"" help:"Let something be done when something happens: add, list, show, remove, enable, disable, ready, log."`
	Contest    contestCmd    `cmd:"" help:"Let people and models judge what models answered: open, list, show, judge, close."`
	Compare    compareCmd    `cmd:"" help:"Compare runs: what differs in configuration, and how they did."`
	Watch      watchCmd      `cmd:"" help:"Watch a run, or all runs, live."`
	Reproduce  reproduceCmd  `cmd:"" help:"Do a recorded run again and compare it bit for bit."`
	Stop       stopCmd       `cmd:"" help:"Ask a run to stop at its next safe point."`
	Track      trackCmd      `cmd:"" help:"Run any command as a run: millrace track -- python train.py"`
	External   externalCmd   `cmd:"" help:"Start any command as a run on a worker: millrace external -- torchrun train.py"`
	Log        logCmd        `cmd:"" help:"Log points to a run from a shell: millrace log RUN acc=0.71"`
	Sync       syncCmd       `cmd:"" help:"Send what scripts logged while no node answered."`
	Pause      pauseCmd      `cmd:"" help:"Let a run stand still at its next safe point."`
	Resume     resumeCmd     `cmd:"" help:"Let a run that stands still go on from its newest checkpoint."`
	Fork       forkCmd       `cmd:"" help:"Start a run that goes on from a step of another, with some settings changed."`
	Rewind     rewindCmd     `cmd:"" help:"Hide what a run logged after a step; resumed, it goes on from there."`
	Star       starCmd       `cmd:"" help:"Mark a run as worth coming back to."`
	Events     eventsCmd     `cmd:"" help:"Print the log of events."`
	Doctor     doctorCmd     `cmd:"" help:"Check this machine, and the node if one answers."`
	Delete     deleteCmd     `cmd:"" help:"Delete a run, a checkpoint, a dataset or an experiment; it says how many bytes that frees."`
	GC         gcCmd         `cmd:"" name:"gc" help:"Remove from storage what nothing refers to any more."`
	Retention  retentionCmd  `cmd:"" help:"Show, set or apply the policy of what is kept."`
	Snapshot   snapshotCmd   `cmd:"" help:"Put a copy of the read model into storage."`
	Trim       trimCmd       `cmd:"" help:"Move the log's beginning into the archive in storage."`
	Tokenizer  tokenizerCmd  `cmd:"" help:"Train, use and inspect tokenizers, without a node."`
	Classifier classifierCmd `cmd:"" help:"Teach and use a classifier of good and bad documents, without a node."`
	Ngram      ngramCmd      `cmd:"" help:"Train and use n-gram models, for perplexity, without a node."`
	Model      modelCmd      `cmd:"" help:"Describe architectures, without a node."`
	Sweep      sweepCmd      `cmd:"" help:"Try configurations: a grid, random ones, or random ones of which the best go on."`
	Score      scoreCmd      `cmd:"" help:"Compare files of texts by BLEU, chrF, ROUGE or exact match, without a node."`
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

// advised is an error that says what to do.
type advised struct {
	error
	hint string
}

func (a *advised) Hint() string  { return a.hint }
func (a *advised) Unwrap() error { return a.error }

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
	fmt.Fprintln(os.Stderr, "millrace:", plain(err))
	if hint := hintOf(err, code); hint != "" {
		fmt.Fprintln(os.Stderr, "  what to do:", hint)
	}
	return code
}

// hintOf is what a person can do about an error, "" when nobody knows.
func hintOf(err error, code int) string {
	var h hinted
	var query *client.QueryError
	var door *client.DoorError
	switch {
	case errors.As(err, &h) && h.Hint() != "":
		return h.Hint()
	case errors.As(err, &door) && door.Hinted() != "":
		return door.Hinted()
	case code == exitNoNode:
		return "start one with \"millrace up\", or name it with --url"
	case errors.Is(err, client.ErrNotFound):
		return "list runs with: millrace runs"
	case errors.As(err, &query) && query.Code == "UNAUTHENTICATED":
		return "give the node's token with --token or MILLRACE_TOKEN"
	}
	return ""
}

// plain is an error without the names of the packages that it came through.
func plain(err error) string {
	s := err.Error()
	for {
		room, rest, ok := strings.Cut(s, ": ")
		switch room {
		case "client", "node", "bus", "blob", "s3embed", "readmodel", "tracker", "api", "job", "curation", "training", "evaluation", "external", "judging", "contest", "rules", "sweeping", "sandbox", "trainer", "curator", "evaluator", "classify", "ngram", "metric", "rating", "cost", "serving", "exchange", "safetensors", "gguf", "llmc":
			if ok {
				s = rest
				continue
			}
		}
		return s
	}
}

type versionCmd struct{}

func (versionCmd) Run() error {
	fmt.Println("millrace", version)
	return nil
}
