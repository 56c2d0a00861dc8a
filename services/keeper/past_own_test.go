package keeper_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"millrace/event"
	"millrace/services/keeper"
	"millrace/storage/readmodel"
)

// TestAModelOfOnesOwnGoesOn: from the newest snapshot that is not later, through log and archive, to what the lab's own model is; and it leaves
// nothing behind, whoever ends it.
func TestAModelOfOnesOwnGoesOn(t *testing.T) {
	l := start(t)
	dir := t.TempDir()
	past, err := keeper.OpenPast(l.keeper, dir, keeper.PastLimits{})
	if err != nil {
		t.Fatal(err)
	}
	empty := func() {
		t.Helper()
		if left, err := os.ReadDir(dir); !errors.Is(err, os.ErrNotExist) && (err != nil || len(left) > 0) {
			t.Errorf("left behind: %v %v", left, err)
		}
	}
	l.tell(lives(5, "a")...)
	first, err := l.keeper.Snapshot(t.Context(), "test")
	if err != nil {
		t.Fatal(err)
	}
	l.tell(lives(5, "b")...)
	second, err := l.keeper.Snapshot(t.Context(), "test")
	if err != nil {
		t.Fatal(err)
	}
	last := l.tell(lives(5, "c")...)
	goOn := func(place uint64) (begun uint64) {
		t.Helper()
		m, next, release, err := past.Before(t.Context(), place)
		if err != nil {
			t.Fatal(err)
		}
		begun = m.Cursor().Applied
		if next != begun+1 {
			t.Errorf("it has %d facts and goes on at %d", begun, next)
		}
		end := errors.New("end")
		if err := l.bus.Follow(t.Context(), next, nil, func(env event.Envelope) error {
			if err := m.Apply(env); err != nil || env.Seq == last {
				return errors.Join(err, end)
			}
			return nil
		}); !errors.Is(err, end) || errors.Is(err, readmodel.ErrClosed) {
			t.Fatal(err)
		}
		if got, want := dumped(t, m), dumped(t, l.model); got != want {
			t.Errorf("from %d it came to\n%s\nwant\n%s", place, got, want)
		}
		if err := release(); err != nil {
			t.Fatal(err)
		}
		if err := release(); err != nil { // once more changes nothing
			t.Fatal(err)
		}
		empty()
		return begun
	}
	for place, want := range map[uint64]uint64{0: 0, 3: 0, first.Place: first.Place, second.Place - 1: first.Place, second.Place: second.Place, last: second.Place} {
		if begun := goOn(place); begun != want {
			t.Errorf("before %d: it begins at %d, want %d", place, begun, want)
		}
	}
	if trimmed, err := l.keeper.Trim(t.Context(), keeper.TrimWish{Place: second.Place}); err != nil || trimmed.First < 2 {
		t.Fatalf("%+v %v", trimmed, err)
	}
	last = l.model.Cursor().Applied
	if begun := goOn(3); begun != 0 { // the archive has it
		t.Errorf("it begins at %d", begun)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, _, err := past.Before(canceled, last); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	empty()
	m, _, release, err := past.Before(t.Context(), last)
	if err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) == 0 {
		t.Errorf("no file: %v", err)
	}
	if err := past.Close(); err != nil {
		t.Fatal(err)
	}
	empty()
	if err := m.Apply(event.Envelope{Seq: last + 1, Event: event.RunNoted{Run: "a"}}); !errors.Is(err, readmodel.ErrClosed) {
		t.Errorf("%v", err)
	}
	if err := release(); err != nil {
		t.Error(err)
	}
	if _, _, _, err := past.Before(t.Context(), last); !errors.Is(err, readmodel.ErrClosed) {
		t.Errorf("%v", err)
	}
	// What a process leaves that was killed, the next one removes.
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "own-1.db"), []byte("left"), 0o600); err != nil {
		t.Fatal(err)
	}
	again, err := keeper.OpenPast(l.keeper, dir, keeper.PastLimits{})
	if err != nil {
		t.Fatal(err)
	}
	empty()
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

// TestHistoryThatIsGone: what neither log nor archive has is passed over, and the model begins with a snapshot from which the log can be read on.
func TestHistoryThatIsGone(t *testing.T) {
	l := start(t)
	l.tell(lives(5, "a")...)
	s, err := l.keeper.Snapshot(t.Context(), "test")
	if err != nil {
		t.Fatal(err)
	}
	l.tell(lives(5, "b")...)
	if err := l.bus.Trim(t.Context(), s.Place+1); err != nil { // by somebody who kept nothing
		t.Fatal(err)
	}
	for _, place := range []uint64{0, 3, s.Place} {
		m, next, release, err := l.past.Before(t.Context(), place)
		if err != nil {
			t.Fatal(err)
		}
		if m.Cursor().Applied != s.Place || next != s.Place+1 {
			t.Errorf("before %d: it has %d facts and goes on at %d", place, m.Cursor().Applied, next)
		}
		if err := release(); err != nil {
			t.Error(err)
		}
	}
}
