package keeper

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"millrace/event"
	"millrace/storage/blob"
	"millrace/storage/readmodel"
)

// Past makes read models of earlier places: from the newest snapshot that is not later, or from nothing, with the facts up to the place folded
// in, in a temporary file. A few are kept for the next who asks. It is safe for concurrent use; Close it.
type Past struct {
	keeper *Keeper
	dir    string
	limits PastLimits

	life context.Context // ends with Close
	end  context.CancelFunc
	work sync.WaitGroup
	one  chan struct{} // whoever builds holds it: one at a time

	mu     sync.Mutex
	models map[uint64]*pastModel
	lent   map[*readmodel.Model]func() error // models that their askers fold on, and what closes each
	number uint64                            // of the last one's file
}

// PastLimits bound what looking back takes. The zero value works.
type PastLimits struct {
	Models   int           // so many are kept; 0: 4
	Bytes    int64         // and so many bytes of files; 0: 4 GiB
	Idle     time.Duration // one that nobody reads is closed after; 0: 10 min
	Patience time.Duration // who asks waits so long for one to be made; 0: 10 s
	Build    time.Duration // making one may take so long; 0: 30 min
}

type pastModel struct {
	place uint64
	ready chan struct{} // closed when it is made, or was not
	done  atomic.Uint64 // up to here it is folded

	// After ready.
	err   error
	model *readmodel.Model
	at    time.Time
	path  string

	// Guarded by Past.mu.
	readers int
	timer   *time.Timer
	used    time.Time
}

// OpenPast begins with none. dir is emptied: what is there is of a process that was killed.
func OpenPast(k *Keeper, dir string, limits PastLimits) (*Past, error) {
	if err := os.RemoveAll(dir); err != nil {
		return nil, fmt.Errorf("keeper: past: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("keeper: past: %w", err)
	}
	if limits.Models <= 0 {
		limits.Models = 4
	}
	if limits.Bytes <= 0 {
		limits.Bytes = 4 << 30
	}
	if limits.Idle <= 0 {
		limits.Idle = 10 * time.Minute
	}
	if limits.Patience <= 0 {
		limits.Patience = 10 * time.Second
	}
	if limits.Build <= 0 {
		limits.Build = 30 * time.Minute
	}
	p := &Past{keeper: k, dir: dir, limits: limits, one: make(chan struct{}, 1), models: map[uint64]*pastModel{}, lent: map[*readmodel.Model]func() error{}}
	p.life, p.end = context.WithCancel(context.Background())
	return p, nil
}

// Close ends what is being made and closes what was. Whoever still reads hears readmodel.ErrClosed.
func (p *Past) Close() error {
	p.end()
	p.work.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	var err error
	for _, m := range p.models {
		err = errors.Join(err, p.drop(m))
	}
	for _, end := range p.lent {
		err = errors.Join(err, end())
	}
	return errors.Join(err, os.RemoveAll(p.dir))
}

// Place is the place of the last fact that had happened at a time, by its publisher's clock; 0 before the first.
func (p *Past) Place(ctx context.Context, t time.Time) (uint64, error) {
	state, err := p.keeper.Bus.State(ctx)
	if err != nil {
		return 0, err
	}
	return p.keeper.placeOf(ctx, state, t.Add(time.Nanosecond))
}

// At is the read model as it was when a place was the last, and when that was. release it once: until then it is kept. It waits a while for a
// model to be made, and then refuses, saying how far it is; asking again finds it further.
func (p *Past) At(ctx context.Context, place uint64) (_ *readmodel.Model, at time.Time, release func(), err error) {
	fail := func(err error) (*readmodel.Model, time.Time, func(), error) { return nil, time.Time{}, nil, err }
	state, err := p.keeper.Bus.State(ctx)
	if err != nil {
		return fail(err)
	}
	if place > state.Last {
		return fail(refuse(invalid, "seq", "", "the log ends at %d, and %d is asked for", state.Last, place))
	}
	m, err := p.enter(place)
	if err != nil {
		return fail(err)
	}
	release = sync.OnceFunc(func() { p.leave(m) })
	timer := time.NewTimer(p.limits.Patience)
	defer timer.Stop()
	select {
	case <-m.ready:
		if m.err != nil {
			release()
			return fail(m.err)
		}
		return m.model, m.at, release, nil
	case <-timer.C:
		err = refuse(unavailable, "", "ask again in a while", "the lab as it was at %d is being prepared, %d%% so far", place, 100*m.done.Load()/max(1, place))
	case <-ctx.Done():
		err = ctx.Err()
	case <-p.life.Done():
		err = readmodel.ErrClosed
	}
	release()
	return fail(err)
}

// enter finds a place's model, or begins to make it, and counts a reader in.
func (p *Past) enter(place uint64) (*pastModel, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.life.Err() != nil {
		return nil, readmodel.ErrClosed
	}
	m := p.models[place]
	if m == nil {
		if err := p.makeRoom(); err != nil {
			return nil, err
		}
		m = &pastModel{place: place, ready: make(chan struct{}), path: filepath.Join(p.dir, fmt.Sprintf("%d.db", place))}
		p.models[place] = m
		m.readers++ // the maker
		p.work.Go(func() { p.make(m) })
	}
	m.readers++
	if m.timer != nil {
		m.timer.Stop()
		m.timer = nil
	}
	return m, nil
}

// makeRoom closes models that nobody reads, those first that were not read for longest, until one more may be made. The lock must be held.
func (p *Past) makeRoom() error {
	idle := []*pastModel{}
	var size int64
	for _, m := range p.models {
		if m.readers == 0 {
			idle = append(idle, m)
		}
		if m.model != nil {
			size += m.model.Stats().FileBytes
		}
	}
	slices.SortFunc(idle, func(a, b *pastModel) int { return a.used.Compare(b.used) })
	for len(p.models) >= p.limits.Models || size > p.limits.Bytes {
		if len(idle) == 0 {
			return refuse(unavailable, "", "ask again in a while", "%d places of the past are being read already", len(p.models))
		}
		size -= idle[0].model.Stats().FileBytes
		if err := p.drop(idle[0]); err != nil {
			return err
		}
		idle = idle[1:]
	}
	return nil
}

// leave counts a reader out. The last one starts the clock; a model that could not be made is forgotten at once.
func (p *Past) leave(m *pastModel) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m.readers--
	if m.readers > 0 || p.models[m.place] != m {
		return
	}
	m.used = time.Now()
	if m.model == nil {
		_ = p.drop(m)
		return
	}
	m.timer = time.AfterFunc(p.limits.Idle, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if m.readers == 0 && p.models[m.place] == m {
			if err := p.drop(m); err != nil {
				p.keeper.Log.Warn("a model of the past could not be closed", "place", m.place, "error", err)
			}
		}
	})
}

// drop closes a model and removes its file. The lock must be held.
func (p *Past) drop(m *pastModel) error {
	delete(p.models, m.place)
	if m.timer != nil {
		m.timer.Stop()
	}
	var err error
	if m.model != nil {
		err = m.model.Close()
	}
	return errors.Join(err, removeModel(m.path))
}

// make folds a model, one at a time.
func (p *Past) make(m *pastModel) {
	defer p.leave(m)
	defer close(m.ready)
	ctx, cancel := context.WithTimeout(p.life, p.limits.Build)
	defer cancel()
	select {
	case p.one <- struct{}{}:
		defer func() { <-p.one }()
	case <-ctx.Done():
		m.err = readmodel.ErrClosed
		return
	}
	model, at, err := p.fold(ctx, m)
	p.mu.Lock()
	defer p.mu.Unlock()
	m.model, m.at, m.err = model, at, err
	if err != nil && ctx.Err() == nil {
		p.keeper.Log.Warn("the past could not be read", "place", m.place, "error", err)
	}
}

// fold makes the file and brings it to its place.
func (p *Past) fold(ctx context.Context, m *pastModel) (_ *readmodel.Model, at time.Time, err error) {
	state, err := p.keeper.Bus.State(ctx)
	if err != nil {
		return nil, at, err
	}
	if err := p.begin(ctx, m, state.Identity); err != nil {
		return nil, at, err
	}
	model, err := readmodel.Open(m.path, readmodel.Options{Identity: state.Identity, CommitEvery: time.Hour, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, at, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, model.Close())
		}
	}()
	from := model.Cursor().Applied + 1
	m.done.Store(from - 1)
	if from > m.place {
		if m.place > 0 {
			env, err := p.keeper.Bus.At(ctx, m.place)
			if err != nil {
				return nil, at, err
			}
			at = env.Time
		}
		return model, at, nil
	}
	end := errors.New("end")
	err = p.keeper.Bus.Follow(ctx, from, nil, func(env event.Envelope) error {
		if env.Seq <= m.place {
			if err := model.Apply(env); err != nil {
				return err
			}
			at = env.Time
			m.done.Store(env.Seq)
		}
		if env.Seq >= m.place {
			return end
		}
		return nil
	})
	if !errors.Is(err, end) {
		return nil, at, fmt.Errorf("keeper: the past at %d: %w", m.place, err)
	}
	return model, at, nil
}

// begin puts the newest snapshot that is not later in the model's place, when there is one.
func (p *Past) begin(ctx context.Context, m *pastModel, identity string) error {
	all, err := p.snapshots(identity)
	if err != nil {
		return err
	}
	for _, s := range all {
		if s.Place > m.place {
			continue
		}
		if done, err := p.restore(ctx, s, m.path); done || err != nil {
			return err
		}
	}
	return nil
}

// snapshots are those of a log that can be used, newest first.
func (p *Past) snapshots(identity string) ([]readmodel.Snapshot, error) {
	all, err := p.keeper.Model.Snapshots()
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(slices.Clone(all), func(s readmodel.Snapshot) bool { return s.Layout != readmodel.Layout || s.Log != identity })
	slices.SortFunc(all, func(a, b readmodel.Snapshot) int { return cmp.Compare(b.Place, a.Place) })
	return all, nil
}

// restore puts a snapshot at path. One that was collected, or cannot be used, is not done; the error is the context's.
func (p *Past) restore(ctx context.Context, s readmodel.Snapshot, path string) (done bool, err error) {
	_, err = Restore(ctx, p.keeper.Blobs, s.SnapshotTaken.Snapshot, path)
	if err == nil {
		return true, nil
	}
	if ctx.Err() == nil && !errors.Is(err, blob.ErrNotFound) { // collected
		p.keeper.Log.Warn("a snapshot could not be used: another one is", "place", s.Place, "error", err)
	}
	return false, ctx.Err()
}
