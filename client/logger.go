package client

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"millrace/client/journal"
	"millrace/event"
)

// RunOptions says which run to log to. Its zero value opens a new run at the node of this machine, or joins the run that
// `millrace track` has started this program for.
type RunOptions struct {
	Server string // default: $MILLRACE_URL, else http://127.0.0.1:7070
	Token  string // default: $MILLRACE_TOKEN

	// ID names the run: a new one is opened under it, one that has ended goes on, one that runs gets one more writer. Default: a new id.
	ID string
	// Join logs to the run ID, which is there, without opening or resuming it; End then only closes. Default: true where ID is empty and
	// $MILLRACE_RUN names a run.
	Join bool
	// Writer names this process among those that log to the run ("rank0"). A point is known by (run, key, writer, step), the first stays:
	// a process that logs the same steps again under the same name repeats nothing. At most one process has a name at a time. Default: a
	// new id.
	Writer string

	Name       string
	Experiment string // id or name; a new name opens one
	Config     any    // hyper-parameters: anything encoding/json can write
	Tags       map[string]string
	Labels     []string
	Note       string
	Group      string
	JobType    string
	Inputs     []Input
	Fork       *Fork
	By         string // who; default $USER

	// Metering logs what this process and its machine consume, and what that costs. Default: nothing.
	Metering Metering

	// Dir is the root of the journals. Default: $MILLRACE_JOURNAL, else millrace/journal in the user's cache directory.
	Dir string
	// Every is how often what was logged is made durable and sent: what a loss of power may cost. Default 100 ms.
	Every time.Duration
	// Memory bounds in bytes what is held while the journal's disk takes nothing. Default 64 MiB.
	Memory int64
	// Log is told once when something is wrong, and when it is well again. Default slog.Default().
	Log *slog.Logger

	named bool // Writer was given
}

// Fork says where a run grows out of another.
type Fork struct {
	Run  string `json:"run"`
	Step int64  `json:"step"`
}

// Logger logs one process's part of a run. Its methods may be called at once, do not wait for the network or a disk, and return no network
// errors: what goes wrong is told by Err, Counts and RunOptions.Log.
//
// What is logged goes to a journal on this machine's disk within moments, and from there to the tracker, exactly once. The death of the
// process loses only what it logged in its last moments (what the journal's goroutine had not yet handed to the operating system); a loss of
// power what was logged since the last RunOptions.Every. What is left when the process ends is sent by the next that opens a run, or by `millrace sync`.
type Logger struct {
	o       RunOptions
	run     event.RunID
	writer  event.WriterID
	journal *journal.Journal
	s       *sender
	root    string

	queue queue
	lines lineWriters

	stop     chan struct{}
	stopOnce sync.Once
	unmeter  func()

	state  state
	urgent atomic.Bool   // somebody waits: send what there is
	nudge  chan struct{} // to the sender
	dirty  chan struct{} // to the fsync
	spool  spool
	joined bool

	closeOnce sync.Once
	closeErr  error
	opened    chan struct{} // closed when the tracker has the run
	written   chan struct{} // closed when the queue is closed and written to its end
	cancel    context.CancelFunc
	wg        sync.WaitGroup
}

// defaultServer is the address of a node that was told nothing.
const defaultServer = "http://127.0.0.1:7070"

// Open begins to log. It needs no tracker: the run is opened there when it answers. Errors are of this machine: a journal that cannot be
// written, options that cannot be meant, journal.ErrBusy when another process has the writer's name.
func Open(o RunOptions) (*Logger, error) {
	if err := o.defaults(); err != nil {
		return nil, err
	}
	id, err := o.identity()
	if err != nil {
		return nil, err
	}
	j, err := journal.Create(o.Dir, id, o.Memory)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	l := &Logger{
		o: o, run: id.Run, writer: id.Writer, journal: j, root: o.Dir, joined: o.Join,
		stop: make(chan struct{}), nudge: make(chan struct{}, 1), dirty: make(chan struct{}, 1), written: make(chan struct{}), opened: make(chan struct{}), cancel: cancel,
	}
	l.queue.init(o.Memory)
	l.spool.init()
	l.state.init(o.Log, j.Dir())
	l.s = newSender(j, newDoor(o.Server, o.Token), &l.state)
	l.s.onRun, l.s.live = l.seen, true
	l.wg.Go(l.write)
	l.wg.Go(func() { l.keep(ctx) })
	l.wg.Go(func() { l.send(ctx) })
	l.wg.Go(func() { l.upload(ctx) })
	l.unmeter = l.Measure(o.Metering)
	return l, nil
}

func (o *RunOptions) defaults() error {
	or := func(s *string, values ...string) {
		for _, v := range values {
			if *s == "" {
				*s = v
			}
		}
	}
	or(&o.Server, os.Getenv("MILLRACE_URL"), defaultServer)
	or(&o.Token, os.Getenv("MILLRACE_TOKEN"))
	or(&o.By, os.Getenv("USER"))
	if run := os.Getenv("MILLRACE_RUN"); o.ID == "" && run != "" {
		o.ID, o.Join = run, true
	}
	if o.Join && o.ID == "" {
		return errors.New("client: Join needs the ID of a run")
	}
	o.Server = strings.TrimRight(o.Server, "/")
	if !strings.HasPrefix(o.Server, "http://") && !strings.HasPrefix(o.Server, "https://") {
		return fmt.Errorf("client: server %q: an address begins with http:// or https://", o.Server)
	}
	if o.Dir == "" {
		dir, err := JournalDir()
		if err != nil {
			return err
		}
		o.Dir = dir
	}
	if o.Every <= 0 {
		o.Every = 100 * time.Millisecond
	}
	if o.Memory <= 0 {
		o.Memory = 64 << 20
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	o.named = o.Writer != ""
	for _, id := range []*string{&o.ID, &o.Writer} {
		if *id == "" {
			made, err := event.NewID(time.Now(), rand.Reader)
			if err != nil {
				return fmt.Errorf("client: %w", err)
			}
			*id = made
		}
	}
	return nil
}

// JournalDir is where journals lie unless told otherwise: $MILLRACE_JOURNAL, else millrace/journal in the user's cache directory.
func JournalDir() (string, error) {
	if dir := os.Getenv("MILLRACE_JOURNAL"); dir != "" {
		return dir, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("client: no place for a journal: %w: set MILLRACE_JOURNAL", err)
	}
	return filepath.Join(cache, "millrace", "journal"), nil
}

// identity is what the journal keeps of the options. A writer with an id of its own has sent nothing before.
func (o *RunOptions) identity() (journal.Identity, error) {
	id := journal.Identity{Server: o.Server, Run: event.RunID(o.ID), Writer: event.WriterID(o.Writer)}
	if !o.named {
		id.Base = new(uint64)
	}
	if o.Join {
		return id, nil
	}
	body := struct {
		ID          string            `json:"id"`
		Name        string            `json:"name,omitempty"`
		Experiment  string            `json:"experiment,omitempty"`
		Config      any               `json:"config,omitempty"`
		Tags        map[string]string `json:"tags,omitempty"`
		Labels      []string          `json:"labels,omitempty"`
		Note        string            `json:"note,omitempty"`
		Group       string            `json:"group,omitempty"`
		JobType     string            `json:"jobType,omitempty"`
		Inputs      []Input           `json:"inputs,omitempty"`
		Environment event.Environment `json:"environment"`
		Code        *event.Code       `json:"code,omitempty"`
		Fork        *Fork             `json:"fork,omitempty"`
		By          string            `json:"by,omitempty"`
		Time        time.Time         `json:"time"`
	}{o.ID, o.Name, o.Experiment, wireValue(o.Config), o.Tags, o.Labels, o.Note, o.Group, o.JobType, o.Inputs, environment(), code(), o.Fork, o.By, time.Now().UTC()}
	raw, err := json.Marshal(body)
	if err != nil {
		return id, fmt.Errorf("client: config: %w", err)
	}
	id.Create, id.Resume = raw, true
	return id, nil
}

// ID is the run's.
func (l *Logger) ID() string { return string(l.run) }

// Writer's name is what this process is called among those that log to the run.
func (l *Logger) WriterName() string { return string(l.writer) }

// URL is the run's page.
func (l *Logger) URL() string { return l.o.Server + "/run/" + string(l.run) }

// StopRequested is closed when somebody wishes that the run stops at its next safe point.
func (l *Logger) StopRequested() <-chan struct{} { return l.stop }

// seen takes what the tracker says of the run with every answer.
func (l *Logger) seen(r RunState) {
	if r.StopRequested {
		l.stopOnce.Do(func() { close(l.stop) })
	}
}
