package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"millrace/client/journal"
)

// SyncOptions says how Sync sends.
type SyncOptions struct {
	Server   string // send to this address; default: what each journal says
	Token    string
	Patience time.Duration               // how long a tracker may be away before its journals are left for later; 0 is not at all
	Progress func(SyncedJournal)         // told of every batch, of what was sent of its journal so far
	Log      *slog.Logger                // default: nobody
	Only     func(journal.Identity) bool // which journals; default all
}

// SyncedJournal is what became of one journal.
type SyncedJournal struct {
	Run     string `json:"run"`
	Writer  string `json:"writer"`
	Server  string `json:"server"`
	Dir     string `json:"dir"`
	State   string `json:"state"`   // "sent", "busy" (its process lives), "left" (see Error)
	Batches int    `json:"batches"` // sent
	Of      int    `json:"of"`      // batches that waited
	Points  int64  `json:"points"`  // sent
	// Refused are files of what the tracker would not take.
	Refused []string         `json:"refused,omitempty"`
	Damage  []journal.Damage `json:"damage,omitempty"`
	Error   string           `json:"error,omitempty"`
	Err     error            `json:"-"`
}

// Sync sends what dead processes left in the journals below a root ("" is JournalDir). Journals of living processes are left to them. The
// error is of the root; what became of each journal is in its own.
func Sync(ctx context.Context, root string, o SyncOptions) ([]SyncedJournal, error) {
	if root == "" {
		dir, err := JournalDir()
		if err != nil {
			return nil, err
		}
		root = dir
	}
	places, err := journal.Find(root)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	sweep(root)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	var all []SyncedJournal
	var early []journal.Place
	for _, p := range places {
		if ctx.Err() != nil {
			return all, ctx.Err()
		}
		s, ok := syncOne(ctx, p, o)
		var refused *DoorError
		if errors.As(s.Err, &refused) && refused.Code == "NOT_FOUND" {
			early = append(early, p) // its run is in a journal that comes later
		} else if ok {
			all = append(all, s)
		}
	}
	for _, p := range early {
		if s, ok := syncOne(ctx, p, o); ok {
			all = append(all, s)
		}
	}
	return all, nil
}

// sweep removes what a process left of a journal when it died while it removed it.
func sweep(root string) {
	gone, err := filepath.Glob(filepath.Join(root, "*", "*.gone"))
	if err != nil {
		return
	}
	for _, dir := range gone {
		_ = os.RemoveAll(dir) // next time, then
	}
}

func syncOne(ctx context.Context, p journal.Place, o SyncOptions) (SyncedJournal, bool) {
	r := SyncedJournal{Run: string(p.Run), Writer: string(p.Writer), Dir: p.Dir, State: "left"}
	j, err := journal.Open(p)
	switch {
	case errors.Is(err, journal.ErrNothing):
		return r, false
	case errors.Is(err, journal.ErrBusy):
		r.State = "busy"
		return r, o.Only == nil
	case err != nil:
		r.Err, r.Error = err, err.Error()
		return r, o.Only == nil
	}
	id := j.Identity()
	if o.Only != nil && !o.Only(id) {
		_ = j.Close() // somebody else's
		return r, false
	}
	r.Server, r.Damage = id.Server, j.Damage()
	if o.Server != "" {
		r.Server = strings.TrimRight(o.Server, "/")
	}
	var st state
	st.init(o.Log, p.Dir)
	d := newDoor(r.Server, o.Token)
	defer d.close()
	s := newSender(j, d, &st)
	s.patience = max(o.Patience, time.Nanosecond)
	r.Of, _, _ = j.Left()
	s.onSent = func(journal.Batch) {
		r.Batches++
		r.Points = st.sentPoints()
		if o.Progress != nil {
			o.Progress(r)
		}
	}
	err = s.drain(ctx)
	r.Points = st.sentPoints()
	r.Refused, _ = j.Refused() // a pattern that is right
	if err == nil {
		r.State = "sent"
		err = j.Remove()
	} else {
		err = errors.Join(err, j.Close())
	}
	if err != nil {
		r.Err, r.Error = err, err.Error()
	}
	if len(r.Refused) > 0 && r.Of == 0 && err == nil {
		return r, o.Only == nil // it was set aside before
	}
	return r, true
}

// drain sends everything that a dead process left, and its end.
func (s *sender) drain(ctx context.Context) error {
	artifacts, err := s.j.Spooled()
	if err != nil {
		return err
	}
	_, ended, err := s.j.End()
	if err != nil {
		return err
	}
	_, any := s.j.Next()
	if refused, _ := s.j.Refused(); !any && !ended && len(artifacts) == 0 && len(refused) > 0 {
		return nil // nothing but what was set aside is left
	}
	if err := s.again(ctx, func() error { return s.begin(ctx) }); err != nil {
		return err
	}
	for {
		b, any := s.j.Next()
		if !any {
			break
		}
		if err := s.again(ctx, func() error { return s.one(ctx, b) }); err != nil {
			return err
		}
	}
	for _, a := range artifacts {
		if err := s.artifact(ctx, a); err != nil {
			return err
		}
	}
	return s.again(ctx, func() error { return s.end(ctx) })
}

// catchUp sends what dead processes of this machine left for the same tracker, once.
func (l *Logger) catchUp(ctx context.Context) {
	_, err := Sync(ctx, l.root, SyncOptions{
		Server: l.o.Server, Token: l.o.Token, Patience: time.Minute, Log: l.o.Log,
		Only: func(id journal.Identity) bool { return id.Server == l.o.Server },
	})
	if err != nil && ctx.Err() == nil {
		l.state.problem("what earlier processes left cannot be sent", err)
	}
}

func (s *state) sentPoints() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sent
}
