package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/term"

	"millrace/client"
	"millrace/client/journal"
	"millrace/event"
	"millrace/services/meter"
)

// trackCmd runs any command as a run.
type trackCmd struct {
	Command    []string      `arg:"" passthrough:"" help:"The command, after --: millrace track -- python train.py"`
	Name       string        `help:"Name of the run (default: the command)."`
	Experiment string        `short:"e" help:"Experiment it belongs to; a new name opens one."`
	Config     string        `short:"c" help:"Hyper-parameters, as a YAML or JSON file." type:"existingfile" placeholder:"FILE"`
	Set        []string      `short:"s" help:"One hyper-parameter, e.g. -s lr=3e-4." placeholder:"KEY=VALUE" sep:"none"`
	Tag        []string      `help:"A tag." placeholder:"KEY=VALUE" sep:"none"`
	Label      []string      `help:"A label." placeholder:"LABEL"`
	ID         string        `name:"run" help:"Id of the run: one that has ended goes on." placeholder:"ID"`
	Grace      time.Duration `help:"How long the command may take to end when it is asked to stop." default:"30s"`
	Patience   time.Duration `help:"How long to wait at the end for a node that is away; the journal keeps what it did not take." default:"30s"`
	Quiet      bool          `short:"q" help:"Do not log the console."`
	NoUsage    bool          `help:"Do not log what the command and its machine consume."`
}

// Run starts the command with MILLRACE_RUN, MILLRACE_URL and MILLRACE_TOKEN set, so that what it logs itself comes to the same run, and ends
// with its exit code.
func (cmd *trackCmd) Run(ctx context.Context, g *Global) error {
	if len(cmd.Command) > 0 && cmd.Command[0] == "--" {
		cmd.Command = cmd.Command[1:]
	}
	if len(cmd.Command) == 0 {
		return &exitError{exitUsage, errors.New("track: no command: millrace track -- python train.py")}
	}
	o, err := cmd.options(g)
	if err != nil {
		return err
	}
	path, err := exec.LookPath(cmd.Command[0])
	if err != nil {
		return &exitError{exitUsage, fmt.Errorf("track: %w", err)}
	}
	run, err := client.Open(o)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "run %s  %s\n", run.ID(), run.URL())
	child := exec.Command(path, cmd.Command[1:]...)
	child.Args[0] = cmd.Command[0]
	child.Env = append(os.Environ(), "MILLRACE_RUN="+run.ID(), "MILLRACE_URL="+o.Server)
	if g.Token != "" {
		child.Env = append(child.Env, "MILLRACE_TOKEN="+g.Token)
	}
	if os.Getenv("PYTHONUNBUFFERED") == "" {
		child.Env = append(child.Env, "PYTHONUNBUFFERED=1") // else a pipe gets its lines late
	}
	last := &lastLine{}
	child.Stdin, child.Stdout, child.Stderr = os.Stdin, os.Stdout, io.MultiWriter(os.Stderr, last)
	if !cmd.Quiet {
		child.Stdout, child.Stderr = io.MultiWriter(os.Stdout, run.Writer("stdout")), io.MultiWriter(os.Stderr, last, run.Writer("stderr"))
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	stopped, err := cmd.wait(child, run, signals)
	end, code := ending(child, err, stopped, last.String())
	return cmd.finish(run, end, code, signals)
}

func (cmd *trackCmd) options(g *Global) (client.RunOptions, error) {
	o := client.RunOptions{Server: g.client().URL(), Token: g.Token, ID: cmd.ID, Name: cmd.Name, Experiment: cmd.Experiment, Labels: cmd.Label, JobType: "script"}
	if o.Name == "" {
		o.Name = clip(strings.Join(cmd.Command, " "), 80)
	}
	config := json.RawMessage(`{}`)
	var err error
	if cmd.Config != "" {
		if config, err = readConfig(cmd.Config); err != nil {
			return o, err
		}
	}
	if config, err = withSettings(config, cmd.Set); err != nil {
		return o, err
	}
	o.Config, o.Tags = config, map[string]string{}
	for _, t := range cmd.Tag {
		key, value, ok := strings.Cut(t, "=")
		if !ok || key == "" {
			return o, &exitError{exitUsage, fmt.Errorf("tag %q is not of the form key=value", t)}
		}
		o.Tags[key] = value
	}
	return o, nil
}

// wait runs the child to its end. Signals are passed on, a wish to stop is a SIGTERM, and a SIGKILL after the grace.
func (cmd *trackCmd) wait(child *exec.Cmd, run *client.Logger, signals <-chan os.Signal) (stopped bool, err error) {
	if err := child.Start(); err != nil {
		return false, err
	}
	if !cmd.NoUsage {
		// Of the command and all that it starts. Without a GPU there is nothing to say of it.
		m := meter.New(meter.Config{PID: child.Process.Pid, Tree: true})
		stop := run.Measure(client.Metering{Meter: m, Device: event.Device{Name: meter.Processor(context.Background())}})
		defer func() {
			stop()
			_ = m.Close() // the driver's library; the command's own end counts
		}()
	}
	ended := make(chan error, 1)
	go func() { ended <- child.Wait() }()
	wish := run.StopRequested()
	var grace <-chan time.Time
	for {
		select {
		case err := <-ended:
			return stopped, err
		case s := <-signals:
			stopped = true
			// A terminal has told the child already: it is in the same group.
			if s == os.Interrupt && term.IsTerminal(int(os.Stdin.Fd())) {
				continue
			}
			_ = child.Process.Signal(s) // it may have ended
		case <-wish:
			wish, stopped = nil, true
			fmt.Fprintln(os.Stderr, "millrace: somebody wishes that the run stops")
			if child.Process.Signal(syscall.SIGTERM) != nil {
				_ = child.Process.Kill() // no such signal on this system
			}
			grace = time.After(cmd.Grace)
		case <-grace:
			_ = child.Process.Kill()
		}
	}
}

// ending is how a child ended, for the record, and its exit code.
func ending(child *exec.Cmd, err error, stopped bool, last string) (journal.Ending, int) {
	if err == nil {
		code := 0
		status := event.Finished
		if stopped {
			status = event.Stopped
		}
		return journal.Ending{Status: string(status), ExitCode: &code}, 0
	}
	end := journal.Ending{Status: string(event.Failed), Failure: &event.Failure{Code: "exit", Message: err.Error()}}
	code := exitFailed
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
		if s, ok := exit.Sys().(syscall.WaitStatus); ok && s.Signaled() {
			code = 128 + int(s.Signal())
		}
		end.ExitCode = &code
	} else {
		end.Failure.Code = "start"
	}
	if last != "" {
		end.Failure.Message += ": " + last
	}
	if stopped {
		end.Status, end.Failure = string(event.Stopped), nil
	}
	return end, code
}

// finish waits until the node has everything; a signal ends that.
func (cmd *trackCmd) finish(run *client.Logger, end journal.Ending, code int, signals <-chan os.Signal) error {
	ctx, cancel := context.WithTimeout(context.Background(), cmd.Patience)
	defer cancel()
	go func() {
		select {
		case <-signals:
			cancel()
		case <-ctx.Done():
		}
	}()
	err := run.EndWith(ctx, end)
	if wrong := run.Err(); errors.Is(wrong, client.ErrSetAside) || errors.Is(wrong, client.ErrDropped) {
		fmt.Fprintln(os.Stderr, "millrace:", plain(wrong))
	}
	if errors.Is(err, client.ErrNotSent) {
		fmt.Fprintf(os.Stderr, "millrace: %s\n  what to do: nothing is lost: send the rest with: millrace sync\n", plain(err))
		err = nil
	}
	if err != nil {
		return err
	}
	if code != 0 {
		return &exitError{code, fmt.Errorf("the command ended with exit code %d", code)}
	}
	return nil
}

// lastLine keeps the last line that is not empty.
type lastLine struct {
	mu   sync.Mutex
	tail []byte
}

func (l *lastLine) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tail = append(l.tail, p...)
	if n := len(l.tail) - 4096; n > 0 {
		l.tail = append(l.tail[:0], l.tail[n:]...)
	}
	return len(p), nil
}

func (l *lastLine) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	said := strings.TrimSpace(strings.ToValidUTF8(string(l.tail), "?"))
	return clip(said[strings.LastIndexByte(said, '\n')+1:], 500)
}

// mapping reads a JSON object.
func mapping(raw json.RawMessage) (m map[string]any, err error) {
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.UseNumber()
	err = d.Decode(&m)
	return m, err
}
