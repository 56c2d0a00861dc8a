package external

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"millrace/event"
	"millrace/services/job"
	"millrace/services/meter"
	"millrace/storage/blob"
)

// Service does runs that name a command, one at a time.
type Service struct {
	Jobs  *job.Runner
	Blobs *blob.Store
	// Dir is where runs get their folders. One of a run that failed stays, for those who want to see why.
	Dir string
	// URL is where the command logs to; Token is what that door asks for, "" for none.
	URL, Token string
	// Guard is the program, with its arguments, that calls Guard with what follows them.
	Guard []string
	// Poll is how often it is looked for checkpoints; 0: every second in a folder, every ten in a bucket.
	Poll time.Duration
	Log  *slog.Logger
	Now  func() time.Time

	faults sync.Map // event.RunID → int: how often its command failed since its last checkpoint
}

// Run takes jobs until ctx ends.
func (s *Service) Run(ctx context.Context) error { return s.Jobs.Work(ctx, event.External, s.carry) }

// carry is one attempt at a run.
func (s *Service) carry(ctx context.Context, j *job.Job) (job.Outcome, error) {
	c, err := Parse(j.Request.Spec.Command)
	if err != nil {
		return job.Outcome{}, job.Fail("bad_command", "correct the key and start the run again", err)
	}
	mine := fmt.Sprintf("%s-%d", j.Request.Run, j.Request.Resume) // what an earlier request left does not count
	root := filepath.Join(s.Dir, mine)
	p := &pickup{j: j, blobs: s.Blobs, keep: c.Checkpoints.Keep, newest: event.CheckpointSaved{Step: -1}, told: map[string]bool{}}
	where, err := s.place(c.Checkpoints, root, mine, p)
	if err != nil {
		return job.Outcome{}, err
	}
	if j.Checkpoint != nil {
		p.newest = *j.Checkpoint
	}
	before := p.newest.Step
	if err := p.look(ctx); err != nil { // an earlier attempt's worker may have been killed before it had taken the newest
		return p.outcome(0), job.Stored(err)
	}
	var from *event.CheckpointSaved
	if p.newest.Checkpoint != "" {
		from = &p.newest
	}
	if err := os.RemoveAll(filepath.Join(root, "resume")); err != nil {
		return p.outcome(0), fmt.Errorf("external: the run's folder: %w", err)
	}
	l, err := s.layOut(ctx, j, root, from)
	if err != nil {
		return p.outcome(0), err
	}
	l.checkpoints = where
	steps, err := s.execute(ctx, j, c, l, p)
	if p.newest.Step > before {
		s.faults.Delete(j.Request.Run)
	}
	err = s.judge(j, c, err)
	if err == nil || errors.Is(err, job.ErrStopRequested) {
		if rerr := os.RemoveAll(root); rerr != nil {
			s.Log.Warn("a run's folder stays", "run", j.Request.Run, "error", rerr)
		}
	}
	return p.outcome(steps), err
}

// place finds where a run leaves its checkpoints, and what the command calls it.
func (s *Service) place(c Checkpoints, root, mine string, p *pickup) (string, error) {
	if bucket, pre, ok := c.remote(); ok {
		pre += mine + "/"
		p.place = prefix{bucket, pre, c.rule(), s.Blobs}
		return "s3://" + bucket + "/" + pre, nil
	}
	dir := filepath.Join(root, "checkpoints")
	if c.In != "" {
		dir = filepath.Join(c.In, mine)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", job.Fail("no_folder", "see that the worker may write there", fmt.Errorf("external: the folder of checkpoints: %w", err))
	}
	p.place = folder{dir, c.rule(), s.Blobs}
	return dir, nil
}

// outcome is what the run made.
func (p *pickup) outcome(steps int64) job.Outcome {
	out := job.Outcome{Steps: max(steps, p.newest.Step, 0)}
	if p.newest.Run == p.j.Request.Run && p.newest.Checkpoint != "" {
		out.Outputs = []event.Input{{Role: "checkpoint", Digest: p.newest.Checkpoint, Name: fmt.Sprintf("step %d", p.newest.Step)}}
	}
	return out
}

// failed is how a command ended that did not end well.
type failed struct {
	code int // the exit code; above 128 the signal that ended it
	said string
}

func (f *failed) Error() string {
	how := fmt.Sprintf("the command ended with exit code %d", f.code)
	switch {
	case f.code < 0:
		how = "the command's guard was killed"
	case f.code > 128 && f.code < 128+65:
		how = fmt.Sprintf("the command was ended by signal %d", f.code-128)
	}
	if f.said != "" {
		how += ": " + f.said
	}
	return how
}

// judge decides whether a failed command is started again.
func (s *Service) judge(j *job.Job, c Command, err error) error {
	var f *failed
	if !errors.As(err, &f) {
		if err == nil {
			s.faults.Delete(j.Request.Run)
		}
		return err
	}
	hint := "its console tells more; its folder on worker " + string(s.Jobs.Worker) + " is " + filepath.Join(s.Dir, fmt.Sprintf("%s-%d", j.Request.Run, j.Request.Resume))
	if f.code == 126 || f.code == 127 { // a shell's words for a program that cannot be run
		return job.Fail("start", hint, err)
	}
	before := 0
	if n, ok := s.faults.Load(j.Request.Run); ok {
		before = n.(int)
	}
	if before >= c.Retries {
		s.faults.Delete(j.Request.Run)
		return job.Fail("exit", hint, err)
	}
	s.faults.Store(j.Request.Run, before+1)
	j.Print(fmt.Sprintf("millrace: %v; it is started again (%d of %d)", err, before+1, c.Retries))
	return &job.Failed{Code: "exit", Hint: hint, Passing: true, Tries: maxTries, Err: err}
}

// maxTries leaves it to judge how often a command is tried.
const maxTries = 1 << 30

// execute runs the command to its end and takes its checkpoints. steps is the last that it told on its standard output.
func (s *Service) execute(ctx context.Context, j *job.Job, c Command, l laid, p *pickup) (steps int64, err error) {
	args, env, dir, err := s.prepare(j, c, l)
	if err != nil {
		return 0, err
	}
	var told atomic.Int64
	var tokens float64
	con := &console{print: j.Print, now: s.Now}
	con.points = func(step int64, keys []string, values []float64) error {
		told.Store(max(told.Load(), step))
		for i, k := range keys {
			if k == "tokens" && values[i] > tokens && values[i] < 1<<62 {
				if tokens > 0 {
					j.Spend(0, int64(values[i]-tokens), 0, 0)
				}
				tokens = values[i]
			}
		}
		j.Progress("run", step, total(j.Request.Spec.Config), "steps", 0)
		return j.Metrics(j.Lasting(), step, keys, values)
	}
	out, errs := &stream{c: con, metrics: c.Metrics == "stdout"}, &stream{c: con}
	proc, err := begin(s.Guard, args, env, dir, out, errs)
	if err != nil {
		return 0, job.Fail("start", "look at command.args and command.dir, on worker "+string(s.Jobs.Worker), err)
	}
	m := meter.New(meter.Config{Dir: l.root, PID: proc.pid(), Tree: true})
	j.Measure(m)
	stop := s.watch(j, c, p)
	err = s.await(ctx, c, proc)
	con.close(out, errs)
	j.Measure(nil)
	_ = m.Close() // the driver's library; the command's own end counts
	stop()
	if lerr := p.look(j.Lasting()); lerr != nil && (err == nil || j.Lasting().Err() == nil) {
		err = errors.Join(job.Stored(lerr), err)
	}
	var f *failed
	if errors.As(err, &f) {
		f.said = con.lastLine()
	}
	if err == nil && con.failed != nil {
		err = con.failed
	}
	return told.Load(), err
}

// watch looks for checkpoints until stop is called, which waits for the look at hand. What fails is tried again with the next: training goes on
// while storage is away.
func (s *Service) watch(j *job.Job, c Command, p *pickup) (stop func()) {
	every := s.Poll
	if every <= 0 {
		every = time.Second
		if _, _, remote := c.Checkpoints.remote(); remote {
			every = 10 * time.Second
		}
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		waits := false
		for {
			select {
			case <-quit:
				return
			case <-time.After(every):
			}
			err := p.look(j.Lasting())
			if err != nil && !waits {
				s.Log.Warn("a checkpoint waits to be stored", "run", j.Request.Run, "error", err)
			}
			waits = err != nil
		}
	}()
	return func() { close(quit); <-done }
}

// await waits for the command's end, and asks for it when ctx ends.
func (s *Service) await(ctx context.Context, c Command, proc *process) error {
	wish := ctx.Done()
	var grace <-chan time.Time
	for {
		select {
		case err := <-proc.done:
			switch code := proc.cmd.ProcessState.ExitCode(); {
			case wish == nil:
				return context.Cause(ctx)
			case err == nil || code == 0: // its pipes may have been held open
				return nil
			default:
				return &failed{code: code}
			}
		case <-wish:
			wish = nil
			proc.ask(c.Signal)
			patience := c.grace()
			if !errors.Is(context.Cause(ctx), job.ErrStopRequested) { // the worker leaves, and has little time itself
				patience = min(patience, s.leaving())
			}
			grace = time.After(patience)
		case <-grace:
			proc.kill()
		}
	}
}

// leaving is how much of the worker's own time a command has when the worker leaves.
func (s *Service) leaving() time.Duration {
	if s.Jobs.Grace > 0 {
		return s.Jobs.Grace * 2 / 3
	}
	return 12 * time.Second
}

// total is the number of steps that a configuration announces, 0 for none.
func total(config json.RawMessage) int64 {
	var c struct {
		Steps int64 `json:"steps"`
	}
	if json.Unmarshal(config, &c) != nil {
		return 0
	}
	return max(0, c.Steps)
}
