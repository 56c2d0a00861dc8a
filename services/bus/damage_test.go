package bus_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"millrace/acceptance/freeport"
	"millrace/event"
	"millrace/services/bus"
)

// damage flips a bit of the body of a fact in the middle of the log's first file, in a closed store directory.
func damage(t *testing.T, dir string, forgetIndex bool) {
	t.Helper()
	msgs := filepath.Join(dir, "jetstream", "$G", "streams", bus.Stream, "msgs")
	block := filepath.Join(msgs, "1.blk")
	raw, err := os.ReadFile(block)
	if err != nil {
		t.Fatal(err)
	}
	body := bytes.Index(raw[len(raw)/2:], []byte(`"writer"`))
	if body < 0 {
		t.Fatal("there is no fact in the middle")
	}
	raw[len(raw)/2+body] ^= 1
	if err := os.WriteFile(block, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if forgetIndex {
		if err := os.Remove(filepath.Join(msgs, "index.db")); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAFactThatTheDiskLostIsToldOf(t *testing.T) {
	dir := t.TempDir()
	b := open(t, bus.Config{Dir: dir})
	for range 20 {
		publish(t, b, beat("a"))
	}
	shut(t, b)
	damage(t, dir, false)
	var mu sync.Mutex
	var told []bus.Unreadable
	b = open(t, bus.Config{Dir: dir, Unreadable: func(u bus.Unreadable) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, u)
	}})
	got := seqs(follow(t, b, 1).until(t, 19))
	mu.Lock()
	defer mu.Unlock()
	if len(told) != 1 || !errors.Is(told[0].Err, bus.ErrMissing) || slices.Contains(got, told[0].Seq) {
		t.Errorf("read %v, told %+v", got, told)
	}
}

func TestALogCutShortByItsDiskIsNotTakenForTheOldOne(t *testing.T) {
	opts := natsOptions(t)
	n := startNATS(t, opts)
	b := open(t, bus.Config{URL: n.URL()})
	for range 20 {
		publish(t, b, beat("a"))
	}
	f := follow(t, b, 1)
	last := f.until(t, 20)[19]
	n.stop()
	damage(t, opts.StoreDir, true)
	// Out of our sight the log loses its end and grows past its old length.
	elsewhere := opts.Clone()
	elsewhere.Port = freeport.New(t)
	hidden := startNATS(t, elsewhere)
	other := open(t, bus.Config{URL: hidden.URL()})
	s, err := other.State(soon(t))
	if err != nil || s.Last >= 20 {
		t.Fatalf("the damage did not cut the log: %+v, %v", s, err)
	}
	for range 20 {
		publish(t, other, beat("b"))
	}
	shut(t, other)
	hidden.stop()
	n.start()
	if err := receive(t, f.done); !errors.Is(err, bus.ErrOtherLog) {
		t.Errorf("Follow: %v", err)
	}
	// And who comes with a cursor from before can see it.
	if env, err := b.At(soon(t), last.Seq); err != nil || env.ID == last.ID || env.Event != beat("b") {
		t.Errorf("at %d: %+v, %v", last.Seq, env, err)
	}
}

func TestAtFindsAFactByItsPlace(t *testing.T) {
	b := embedded(t)
	publish(t, b, beat("a"))
	publish(t, b, event.RunArchived{Run: "a"})
	if env, err := b.At(soon(t), 2); err != nil || env.Seq != 2 || env.Event != (event.RunArchived{Run: "a"}) {
		t.Errorf("at 2: %+v, %v", env, err)
	}
	for _, seq := range []uint64{0, 3} {
		if _, err := b.At(soon(t), seq); err == nil || seq > 0 && !errors.Is(err, bus.ErrNone) {
			t.Errorf("at %d: %v", seq, err)
		}
	}
}
