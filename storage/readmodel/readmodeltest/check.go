// Package readmodeltest holds the contract of the read model: whatever a test did to it, folding the same log again gives the
// same. Start makes a model that checks itself when the test ends; Check does it for a model made otherwise.
package readmodeltest

import (
	"bytes"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"millrace/event"
	"millrace/storage/readmodel"
)

// Check folds the log into a fresh file, without a single commit in between, and fails the test unless it holds what m holds.
func Check(t testing.TB, m *readmodel.Model, log []event.Envelope) {
	t.Helper()
	fresh, err := readmodel.Open(filepath.Join(t.TempDir(), "replay.db"), readmodel.Options{
		CommitEvery: time.Hour, CommitPoints: 1 << 40, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		t.Errorf("readmodeltest: %v", err)
		return
	}
	defer func() { _ = fresh.Close() }()
	for _, env := range log {
		if env.Seq > m.Cursor().Applied {
			break
		}
		if err := fresh.Apply(env); err != nil {
			t.Errorf("readmodeltest: replay of fact %d: %v", env.Seq, err)
			return
		}
	}
	was, is := dump(t, m), dump(t, fresh)
	if was == is {
		return
	}
	a, b := strings.Split(was, "\n"), strings.Split(is, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			t.Errorf("readmodeltest: the log folded again differs at line %d\n  had: %s\n  now: %s", i+1, cut(a[i]), cut(b[i]))
			return
		}
	}
	t.Errorf("readmodeltest: the log folded again has %d lines, had %d", len(b), len(a))
}

func cut(s string) string { return s[:min(len(s), 2000)] }

func dump(t testing.TB, m *readmodel.Model) string {
	t.Helper()
	var out bytes.Buffer
	if err := m.Dump(&out); err != nil {
		t.Errorf("readmodeltest: dump: %v", err)
	}
	return out.String()
}

// Log is a model with the facts it was told.
type Log struct {
	*readmodel.Model
	Path  string
	t     testing.TB
	told  []event.Envelope
	ended bool
}

// Begin is when the first fact of a Log happened; each next one is a second later.
var Begin = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// Start opens a model in a temporary folder. When the test ends it is checked and closed.
func Start(t testing.TB) *Log {
	t.Helper()
	l := &Log{t: t, Path: filepath.Join(t.TempDir(), "model.db")}
	l.Open()
	t.Cleanup(l.End)
	return l
}

// End checks and closes the model. The end of the test does it too.
func (l *Log) End() {
	l.t.Helper()
	if l.ended {
		return
	}
	l.ended = true
	Check(l.t, l.Model, l.told)
	if err := l.Close(); err != nil {
		l.t.Error(err)
	}
}

// Open opens the file, which a test has closed to do something to it.
func (l *Log) Open() {
	l.t.Helper()
	m, err := readmodel.Open(l.Path, readmodel.Options{CommitEvery: 5 * time.Millisecond, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		l.t.Fatal(err)
	}
	l.Model = m
}

// Tell applies facts, each with the next sequence, and returns the last one's.
func (l *Log) Tell(events ...event.Event) uint64 {
	l.t.Helper()
	for _, e := range events {
		l.TellAs(event.Envelope{Event: e})
	}
	return uint64(len(l.told))
}

// TellAs is Tell for facts that have a writer and a sequence, or a time of their own.
func (l *Log) TellAs(envs ...event.Envelope) uint64 {
	l.t.Helper()
	for _, env := range envs {
		env.Seq = uint64(len(l.told) + 1)
		env.ID, env.Source = "test", "/test"
		if env.Time.IsZero() {
			env.Time = Begin.Add(time.Duration(env.Seq) * time.Second)
		}
		l.told = append(l.told, env)
		if err := l.Apply(env); err != nil {
			l.t.Fatalf("apply %T: %v", env.Event, err)
		}
	}
	return uint64(len(l.told))
}

// Told is the log so far.
func (l *Log) Told() []event.Envelope { return l.told }

// Reopen closes the model and opens its file again.
func (l *Log) Reopen() {
	l.t.Helper()
	if err := l.Close(); err != nil {
		l.t.Fatal(err)
	}
	l.Open()
	if why := l.Rebuilt(); why != "" {
		l.t.Fatalf("rebuilt: %s", why)
	}
}
