package keeper

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"millrace/storage/readmodel"
)

// Before makes a read model that is its asker's own, to fold the log into: of the newest snapshot that is not later than a place, or empty.
// The asker goes on with the fact at next. Where neither log nor archive reaches back so far, the model is of the first later place
// from which they do, and next lies beyond place+1. release closes the model and removes its file; so does Close, and the folder is
// emptied by the next OpenPast if the process is killed. Nothing is shared with At: a model that goes on is of no use to the next asker.
func (p *Past) Before(ctx context.Context, place uint64) (_ *readmodel.Model, next uint64, release func() error, err error) {
	state, err := p.keeper.Bus.State(ctx)
	if err != nil {
		return nil, 0, nil, err
	}
	c, _, err := p.keeper.Archive.Catalogue(ctx)
	if err != nil {
		return nil, 0, nil, err
	}
	first := max(1, state.First) // the first fact that can still be read
	if len(c.Segments) > 0 && c.Through()+1 >= first {
		first = min(first, c.Segments[0].First)
	}
	path, err := p.reserve()
	if err != nil {
		return nil, 0, nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, removeModel(path))
		}
	}()
	if err := p.nearest(ctx, state.Identity, place, first, path); err != nil {
		return nil, 0, nil, err
	}
	// Commits only make room: nobody reads the file.
	m, err := readmodel.Open(path, readmodel.Options{Identity: state.Identity, CommitEvery: time.Hour, CachePoints: 1 << 20, Temporary: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, 0, nil, fmt.Errorf("keeper: past: %w", err)
	}
	end := sync.OnceValue(func() error { return errors.Join(m.Close(), removeModel(path)) })
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.life.Err() != nil {
		return nil, 0, nil, errors.Join(readmodel.ErrClosed, end())
	}
	p.lent[m] = end
	return m, max(first, m.Cursor().Applied+1), func() error {
		p.mu.Lock()
		delete(p.lent, m)
		p.mu.Unlock()
		return end()
	}, nil
}

// reserve names a file that nobody has.
func (p *Past) reserve() (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.life.Err() != nil {
		return "", readmodel.ErrClosed
	}
	p.number++
	return filepath.Join(p.dir, fmt.Sprintf("own-%d.db", p.number)), nil
}

// nearest puts the newest snapshot at path that is not later than a place and from which the log can be read on (first is what it still has);
// when there is none, and the log's beginning is gone, the oldest later one.
func (p *Past) nearest(ctx context.Context, identity string, place, first uint64, path string) error {
	all, err := p.snapshots(identity)
	if err != nil {
		return err
	}
	var later []readmodel.Snapshot
	for _, s := range all {
		switch {
		case s.Place+1 < first:
		case s.Place > place:
			later = append(later, s)
		default:
			if done, err := p.restore(ctx, s, path); done || err != nil {
				return err
			}
		}
	}
	for i := len(later) - 1; i >= 0 && first > 1; i-- {
		if done, err := p.restore(ctx, later[i], path); done || err != nil {
			return err
		}
	}
	return nil
}

// removeModel removes a model's file and its lock.
func removeModel(path string) (err error) {
	for _, name := range []string{path, path + ".lock"} {
		if rerr := os.Remove(name); !errors.Is(rerr, os.ErrNotExist) {
			err = errors.Join(err, rerr)
		}
	}
	return err
}
