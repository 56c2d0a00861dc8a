package readmodel_test

import (
	"bytes"
	"os"
	"reflect"
	"testing"

	"go.etcd.io/bbolt"

	"millrace/event"
	"millrace/storage/readmodel"
)

// TestNoFlippedByteOfAStoredSeriesIsBelieved: whatever byte of its chunks, or of what says where they begin and end, is another, the series is
// whole or says that it is damaged.
func TestNoFlippedByteOfAStoredSeriesIsBelieved(t *testing.T) {
	dir := t.TempDir()
	path := dir + "/model.db"
	m, err := readmodel.Open(path, readmodel.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := event.Series{}
	for i := range int64(3000) {
		s.Steps, s.Times, s.Values = append(s.Steps, i), append(s.Times, i*20), append(s.Values, float64(i%17))
	}
	feed(t, m, []event.Envelope{{Seq: 1, Event: frameOf("r", event.ByStep, s)}})
	read := func(m *readmodel.Model) readmodel.Series {
		t.Helper()
		got, err := m.Series("r", readmodel.SeriesQuery{})
		if err != nil || len(got) != 1 {
			t.Fatalf("%d series, error %v", len(got), err)
		}
		return got[0]
	}
	want := read(m)
	mustClose(t, m)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	value := func(table string) (key, value []byte) {
		edit(t, path, func(b *bbolt.Bucket) error {
			k, v := b.Cursor().First()
			key, value = bytes.Clone(k), bytes.Clone(v)
			return nil
		}, table)
		return key, value
	}
	flips := 0
	for _, table := range []string{"chunk", "tail"} {
		key, stored := value(table)
		var at []int
		for rest := stored; len(rest) > 0; {
			begin := len(stored) - len(rest)
			for i := range 24 { // what stands before a chunk, and its beginning
				at = append(at, begin+i)
			}
			var ok bool
			if _, rest, ok = readmodel.CutEntry(rest, false); !ok {
				t.Fatalf("%s: an entry at byte %d cannot be read", table, begin)
			}
			at = append(at, len(stored)-len(rest)-1)
		}
		for _, i := range at {
			flips++
			if err := os.WriteFile(path, whole, 0o600); err != nil {
				t.Fatal(err)
			}
			bad := bytes.Clone(stored)
			bad[i] ^= 0x55
			edit(t, path, func(b *bbolt.Bucket) error { return b.Put(key, bad) }, table)
			logger, _ := heard()
			m, err := readmodel.Open(path, readmodel.Options{Log: logger})
			if err != nil {
				t.Fatal(err)
			}
			if got := read(m); !got.Damaged && !reflect.DeepEqual(got, want) {
				t.Errorf("byte %d of %s: %d of %d points, and nothing is said of damage", i, table, len(got.Steps), len(want.Steps))
			}
			mustClose(t, m)
		}
	}
	if flips < 50 {
		t.Fatalf("%d bytes flipped", flips)
	}
}

func edit(t *testing.T, path string, change func(*bbolt.Bucket) error, table string) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Update(func(tx *bbolt.Tx) error { return change(tx.Bucket([]byte(table))) }); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}
