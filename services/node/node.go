package node

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"millrace/event"
	"millrace/services/bus"
	"millrace/services/curation"
	"millrace/services/evaluation"
	"millrace/services/external"
	"millrace/services/ingest"
	"millrace/services/job"
	"millrace/services/keeper"
	"millrace/services/meter"
	"millrace/services/rules"
	"millrace/services/serving"
	"millrace/services/sweeping"
	"millrace/services/tracker"
	"millrace/services/training"
	"millrace/storage/blob"
	"millrace/storage/readmodel"
	"millrace/storage/s3embed"
	"millrace/trainer/engine/auto"
)

// Node is one process with everything it has open.
type Node struct {
	config Config
	log    *slog.Logger
	code   event.Code
	bus    *bus.Bus
	s3     *s3embed.Server // nil when the object store is elsewhere
	blobs  *blob.Store
	meter  *meter.Meter
	// archive is where the log's beginning lies once it was trimmed.
	archive *keeper.Archive
	closes  []func() error // in the order of opening

	// Of the tracker's role only.
	model   *readmodel.Model
	tracker *tracker.Tracker
	keeper  *keeper.Keeper
	rules   *rules.Service
	past    *keeper.Past
	trials  *rules.Trials
	logging *ingest.Server
	serving *serving.Server
	// listener is the door's; nil for a worker that was given no address.
	listener net.Listener
	// devices are what the working roles compute on.
	devices map[Role]event.Environment
	// jobs are what the working roles run.
	jobs []func(context.Context) error
}

// Open opens everything that the roles need. It fails with what is wrong and what to do: a busy port, a data directory in use, a
// wrong key. Close it even when Run was never called.
func Open(ctx context.Context, c Config) (*Node, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	n := &Node{config: c, log: c.Log, code: code(c.Version)}
	for _, open := range []func(context.Context) error{n.openData, n.openBus, n.openBlobs, n.openArchive, n.openTracker, n.openKeeper, n.openDoor, n.openWorkers, n.openServing} {
		if err := open(ctx); err != nil {
			return nil, errors.Join(err, n.Close())
		}
	}
	return n, nil
}

// Close gives everything back, last opened first.
func (n *Node) Close() error {
	var errs []error
	for i := len(n.closes) - 1; i >= 0; i-- {
		errs = append(errs, n.closes[i]())
	}
	n.closes = nil
	return errors.Join(errs...)
}

func (n *Node) openData(context.Context) error {
	if err := os.MkdirAll(n.config.Data, 0o700); err != nil {
		return fmt.Errorf("node: data directory: %w", err)
	}
	return nil
}

func (n *Node) openBus(ctx context.Context) error {
	c := n.config.NATS
	if c.URL == "" && c.Listen != "" && c.Token == "" {
		s, err := openSecrets(n.config.Data)
		if err != nil {
			return err
		}
		c.Token = s.NATSToken
	}
	b, err := n.reach(ctx, bus.Config{
		URL: c.URL, Token: c.Token, User: c.User, Password: c.Password, CredsFile: c.CredsFile, CAFile: c.CAFile,
		Monitor: c.Monitor, Replicas: c.Replicas, Relaxed: c.Relaxed, Listen: c.Listen,
		Dir: filepath.Join(n.config.Data, "log"), Source: "/node/" + n.config.Worker, Log: n.log,
	})
	if err != nil {
		return err
	}
	n.bus = b
	n.closes = append(n.closes, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		return b.Close(ctx)
	})
	return nil
}

// natsPatience is how long a node waits for a NATS that does not answer yet, as it waits for storage: machines of a cluster start in any order.
const natsPatience = 30 * time.Second

// reach opens the bus, and asks again while nobody answers.
func (n *Node) reach(ctx context.Context, c bus.Config) (*bus.Bus, error) {
	for began, said := time.Now(), false; ; {
		b, err := bus.Open(ctx, c)
		if !errors.Is(err, bus.ErrUnreachable) || time.Since(began) > natsPatience {
			return b, err
		}
		if !said {
			n.log.Warn("NATS does not answer yet; asking again", "for", natsPatience, "error", err)
			said = true
		}
		select {
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
			return nil, err
		}
	}
}

func (n *Node) openBlobs(ctx context.Context) error {
	c := n.config.S3
	if c.Endpoint == "" {
		s, err := openSecrets(n.config.Data)
		if err != nil {
			return err
		}
		c.AccessKey, c.SecretKey = s.S3AccessKey, s.S3SecretKey
		n.s3, err = s3embed.Open(ctx, s3embed.Config{
			Dir: filepath.Join(n.config.Data, "objects"), Addr: c.Listen, AccessKey: c.AccessKey, SecretKey: c.SecretKey, Log: n.log,
		})
		if err != nil {
			return err
		}
		n.closes = append(n.closes, n.s3.Close)
		c.Endpoint = n.s3.Endpoint()
	}
	store, err := blob.Open(ctx, blob.Config{
		Endpoint: c.Endpoint, Region: c.Region, AccessKey: c.AccessKey, SecretKey: c.SecretKey,
		Bucket: c.Bucket, Prefix: c.Prefix, CAFile: c.CAFile,
	})
	if err != nil {
		return err
	}
	n.blobs = store
	n.closes = append(n.closes, store.Close)
	return nil
}

func (n *Node) openTracker(ctx context.Context) error {
	if !n.config.plays(Tracker) {
		return nil
	}
	state, err := n.bus.State(ctx)
	if err != nil {
		return err
	}
	path := filepath.Join(n.config.Data, "readmodel.db")
	if err := n.prepare(ctx, path); err != nil {
		return err
	}
	m, err := readmodel.Open(path, readmodel.Options{
		Identity: state.Identity, LastSeq: &state.Last, Log: n.log,
		FactAt: func(seq uint64) (string, bool, error) {
			env, err := n.bus.At(ctx, seq)
			if errors.Is(err, bus.ErrNone) {
				return "", seq >= state.First, nil
			}
			return env.ID, true, err
		},
	})
	if err != nil {
		return err
	}
	n.model = m
	n.closes = append(n.closes, m.Close)
	n.tracker = &tracker.Tracker{
		Bus: n.bus, Model: m, Code: n.code, Now: time.Now, Random: rand.Reader, Log: n.log, Deterministic: training.Deterministic,
		Environment: n.environmentOf,
		PinSuites:   n.library().PinAll, Continues: training.Continues,
		Missing: func(ctx context.Context, spec event.Spec, from *event.CheckpointSaved) ([]string, error) {
			return training.Missing(ctx, n.blobs, spec, from)
		},
		Resolve: map[event.RunKind]func(context.Context, event.Spec) (event.Spec, error){
			event.Finetune: func(ctx context.Context, spec event.Spec) (event.Spec, error) {
				return training.ResolveFinetune(ctx, n.blobs, spec)
			},
			event.Train: training.Resolve, event.Curate: curation.Resolve, event.Evaluate: n.library().Resolve, event.External: external.Resolve,
			event.Judge: n.resolveJudge,
		},
		Stored:    n.stored,
		CheckRule: func(r event.RuleSaved) (event.RuleSaved, error) { return rules.Save(m, r) },
	}
	n.rules = &rules.Service{Bus: n.bus, Model: m, Tracker: n.tracker, Dir: n.config.Data, Notify: n.config.Rules.notify(), Files: n.config.Rules.Files, Now: time.Now, Log: n.log}
	n.jobs = append(n.jobs, (&sweeping.Service{Bus: n.bus, Tracker: n.tracker, Log: n.log}).Run)
	n.logging = ingest.New(ingest.Config{Tracker: n.tracker, Model: m, Blobs: n.blobs, Log: n.log})
	return nil
}

// openDoor takes the address, so that a busy one is told before anything runs.
func (n *Node) openDoor(ctx context.Context) error {
	if n.config.Addr == "" {
		return nil
	}
	var err error
	n.listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", n.config.Addr)
	if err != nil {
		return fmt.Errorf("node: cannot serve on %s: %w; is a node running there already? choose another address with --addr, 127.0.0.1:0 for any", n.config.Addr, err)
	}
	n.closes = append(n.closes, func() error {
		if err := n.listener.Close(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	})
	return nil
}

// openWorkers makes the roles that do jobs. Each has a device of its own; they share the meter.
func (n *Node) openWorkers(ctx context.Context) error {
	if !n.config.plays(Curation) && !n.config.plays(Training) && !n.config.plays(Evaluation) && !n.config.plays(External) {
		return nil
	}
	n.meter = meter.New(meter.Config{Dir: n.config.Data, Log: n.log})
	n.closes = append(n.closes, n.meter.Close)
	temp, err := n.temporary()
	if err != nil {
		return err
	}
	if n.config.plays(Curation) {
		k, err := auto.Open("cpu-reference", 1) // curation computes nothing; the record still names the processor
		if err != nil {
			return fmt.Errorf("node: %w", err)
		}
		on := event.Environment{CPU: k.Info().Name, Threads: runtime.GOMAXPROCS(0)}
		s := &curation.Service{Jobs: n.runner(Curation, on), Blobs: n.blobs, Temp: temp, Now: time.Now}
		n.jobs = append(n.jobs, s.Run)
	}
	if n.config.plays(Training) {
		k, err := auto.Open(n.config.Engine, n.config.Threads)
		if err != nil {
			return fmt.Errorf("node: %w", err)
		}
		n.closeLater(k)
		usage, err := n.meter.Sample(ctx)
		if err != nil {
			return fmt.Errorf("node: %w", err)
		}
		on := device(k.Info())
		on.Memory = usage.MemoryTotal
		s := &training.Service{Jobs: n.runner(Training, on), Blobs: n.blobs, Kernels: k, Memory: usage.MemoryTotal / 10 * 8, Temp: temp, Now: time.Now}
		n.jobs = append(n.jobs, s.Run)
	}
	if n.config.plays(Evaluation) {
		// One thread: an evaluation must not slow the training that waits for its verdict.
		k, err := auto.Open(n.config.Engine, 1)
		if err != nil {
			return fmt.Errorf("node: %w", err)
		}
		n.closeLater(k)
		s := &evaluation.Service{
			Jobs: n.runner(Evaluation, device(k.Info())), Bus: n.bus, Blobs: n.blobs, Library: n.library(), Temp: temp, Kernels: k, Code: n.code, Now: time.Now, Log: n.log,
			RunCode: n.config.Code,
		}
		n.jobs = append(n.jobs, s.Run, n.judges(s.Jobs).Run)
	}
	if n.config.plays(External) {
		return n.openExternal(ctx)
	}
	return nil
}

// temporary is an empty folder for what workers write on the way, on the disk that was given, not on one that may be memory.
func (n *Node) temporary() (string, error) {
	temp := filepath.Join(n.config.Data, "tmp")
	if err := os.MkdirAll(temp, 0o700); err != nil {
		return "", fmt.Errorf("node: %w", err)
	}
	left, err := filepath.Glob(filepath.Join(temp, "millrace-*")) // of a node that was killed where open files keep their names
	for _, file := range left {
		err = errors.Join(err, os.RemoveAll(file))
	}
	if err != nil {
		return "", fmt.Errorf("node: temporary files of an earlier start: %w", err)
	}
	return temp, nil
}

// openExternal makes the role that starts other people's programs.
func (n *Node) openExternal(ctx context.Context) error {
	dir, err := filepath.Abs(n.config.External.Dir)
	if err != nil {
		return fmt.Errorf("node: external.dir: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("node: external.dir: %w", err)
	}
	url := n.config.External.URL
	if url == "" {
		url = n.URL()
	}
	r := n.runner(External, event.Environment{CPU: cmp.Or(meter.Processor(ctx), runtime.GOARCH), Threads: runtime.NumCPU()})
	r.Grace = time.Minute // a command saves, its checkpoint is stored, and both are told
	s := &external.Service{Jobs: r, Blobs: n.blobs, Dir: dir, URL: url, Token: n.config.Token, Guard: n.config.External.Guard, Log: n.log, Now: time.Now}
	n.jobs = append(n.jobs, s.Run)
	return nil
}

// Guard is the whole of a process that commands are started by: it ends them when the node is gone. It returns an exit code.
func Guard(args []string) int { return external.Guard(args) }

// environmentOf is what a run of a kind finds itself on in this process, nil when it does none.
func (n *Node) environmentOf(kind event.RunKind) *event.Environment {
	role := map[event.RunKind]Role{event.Curate: Curation, event.Train: Training, event.Finetune: Training, event.Evaluate: Evaluation, event.Judge: Evaluation, event.External: External}[kind]
	on, ok := n.devices[role]
	if !ok {
		return nil
	}
	e := environment(on)
	return &e
}

// closeLater closes what has something to close.
func (n *Node) closeLater(k any) {
	switch k := k.(type) {
	case interface{ Close() error }:
		n.closes = append(n.closes, k.Close)
	case interface{ Close() }:
		n.closes = append(n.closes, func() error { k.Close(); return nil })
	}
}

// runner makes the frame in which a role does its jobs.
func (n *Node) runner(role Role, on event.Environment) *job.Runner {
	if n.devices == nil {
		n.devices = map[Role]event.Environment{}
	}
	n.devices[role] = on
	d := event.Device{Kind: "cpu", Name: on.CPU, Count: max(1, on.Threads)}
	if on.Engine != "" && on.Engine != "cpu" {
		d = event.Device{Kind: "gpu", Name: on.CPU, Count: 1}
	}
	return &job.Runner{
		Bus: n.bus, Meter: n.meter, Worker: event.WorkerID(n.config.Worker + "-" + string(role)),
		Environment: func() event.Environment { return environment(on) }, Device: d, Now: time.Now, Log: n.log,
	}
}

// Run plays the roles until ctx ends; then jobs leave at their next safe point, and what they have to say is still said.
func (n *Node) Run(ctx context.Context) error {
	serve, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopServing()
	var serving errgroup.Group
	failed := make(chan struct{})
	if n.listener != nil {
		door, err := n.door()
		if err != nil {
			return err
		}
		inner, ctx := errgroup.WithContext(serve)
		if n.tracker != nil {
			inner.Go(func() error { return n.tracker.Run(ctx) })
			inner.Go(func() error { return n.keeper.Run(ctx) })
			inner.Go(func() error { return n.rules.Run(ctx) })
		}
		inner.Go(func() error {
			n.catchUp(ctx)
			return door.Serve(ctx, n.listener)
		})
		serving.Go(func() error {
			err := inner.Wait()
			close(failed)
			return err
		})
		if n.tracker != nil {
			if err := n.announce(); err != nil {
				n.log.Warn("the address could not be written down", "error", err)
			}
			defer n.retract()
		}
	}
	if n.config.Ready != nil {
		n.config.Ready(n.URL())
	}
	working, workCtx := errgroup.WithContext(ctx)
	for _, job := range n.jobs {
		working.Go(func() error { return job(workCtx) })
	}
	working.Go(func() error { // ends the jobs with ctx, or when the tracker cannot go on
		select {
		case <-workCtx.Done():
			return workCtx.Err()
		case <-failed:
			return errServing
		}
	})
	werr := working.Wait()
	stopServing()
	serr := serving.Wait()
	if errors.Is(werr, errServing) || errors.Is(werr, context.Canceled) && ctx.Err() != nil {
		werr = nil
	}
	if errors.Is(serr, context.Canceled) {
		serr = nil
	}
	return errors.Join(werr, serr)
}

var errServing = errors.New("node: the tracker has ended")
