package journal_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"millrace/client/journal"
	"millrace/event"
)

var update = flag.Bool("update", false, "rewrite golden files")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var identity = journal.Identity{Server: "http://127.0.0.1:7070", Run: "run-1", Writer: "rank0"}

func create(t testing.TB, root string) *journal.Journal {
	t.Helper()
	j, err := journal.Create(root, identity, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func reopen(t testing.TB, root string) *journal.Journal {
	t.Helper()
	j, err := journal.Open(journal.PlaceOf(root, identity.Run, identity.Writer))
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// rows reads every batch that is left, as "batch key step value" and "batch entry".
func rows(t testing.TB, j *journal.Journal) (all []string, lost int) {
	t.Helper()
	for {
		b, ok := j.Next()
		if !ok {
			return all, lost
		}
		c, err := j.Load(b)
		if err != nil {
			t.Fatal(err)
		}
		points := 0
		for _, p := range c.Parts {
			if p.Entry != nil {
				all = append(all, fmt.Sprintf("%d %s", b.Number, p.Entry))
			}
			for _, s := range p.Series {
				for i := range s.Steps {
					all = append(all, fmt.Sprintf("%d %s%s %d %d %x", b.Number, s.Key, s.Context, s.Steps[i], s.Times[i], math.Float64bits(s.Values[i])))
					points++
				}
			}
		}
		if points != c.Points || c.Damaged == 0 && points != b.Points {
			t.Fatalf("batch %d has %d points, says %d and %d", b.Number, points, c.Points, b.Points)
		}
		lost += c.Lost
		j.Acknowledge(b.Number)
	}
}

func segments(t testing.TB, root string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "run-1", "rank0", "*.mrj"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// written fills a journal with three batches, the last of which is not cut, and lets its process "die".
func written(t testing.TB, root string) {
	t.Helper()
	j := create(t, root)
	loss, acc := j.Name("train/loss", ""), j.Name("acc", `{"subset":"val"}`)
	write := func(points []journal.Point, entries ...string) {
		var raw [][]byte
		for _, e := range entries {
			raw = append(raw, []byte(e))
		}
		if n, err := j.Write(points, raw); err != nil || n != len(points) {
			t.Fatal(n, err)
		}
	}
	write([]journal.Point{{loss, 1, 1_700_000_000_000_000, 2.5}, {acc, 1, 1_700_000_000_000_001, math.NaN()}, {loss, 2, 1_700_000_000_000_002, math.Inf(-1)}})
	j.Cut()
	write([]journal.Point{{journal.IsEntry, 0, 0, 0}, {loss, math.MaxInt64, 1, 0}, {loss, math.MinInt64, 0, -0.5}, {journal.IsEntry, 1, 0, 0}}, `{"note":"a"}`, `{"note":"b"}`)
	j.Cut()
	write([]journal.Point{{acc, 3, 3, 3}})
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestGolden(t *testing.T) {
	root := t.TempDir()
	written(t, root)
	got, err := os.ReadFile(segments(t, root)[0])
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "segment.hex")
	if *update {
		if err := os.WriteFile(golden, []byte(hex.Dump(got)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if hex.Dump(got) != string(want) {
		t.Errorf("the format changed:\n%s", hex.Dump(got))
	}
	j := reopen(t, root)
	all, _ := rows(t, j)
	wantRows := []string{
		"1 train/loss 1 1700000000000000 4004000000000000", "1 train/loss 2 1700000000000002 fff0000000000000",
		`1 acc{"subset":"val"} 1 1700000000000001 7ff8000000000001`,
		`2 {"note":"a"}`, "2 train/loss 9223372036854775807 1 0", "2 train/loss -9223372036854775808 0 bfe0000000000000", `2 {"note":"b"}`,
		`3 acc{"subset":"val"} 3 3 4008000000000000`,
	}
	if !slices.Equal(all, wantRows) {
		t.Errorf("%q", all)
	}
	if err := j.Remove(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(root); err != nil || len(left) > 0 {
		t.Errorf("%v is left: %v", left, err)
	}
}

// TestEveryTornEnd: whatever was cut off the end, what is whole before it is read, under its number.
func TestEveryTornEnd(t *testing.T) {
	root := t.TempDir()
	written(t, root)
	file := segments(t, root)[0]
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	j := reopen(t, root)
	want, _ := rows(t, j)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	for n := range whole {
		if err := os.WriteFile(file, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		j := reopen(t, root)
		got, lost := rows(t, j)
		if lost > 0 || len(j.Damage()) > 0 || len(got) > len(want) {
			t.Fatalf("%d bytes: %q %v", n, got, j.Damage())
		}
		for _, r := range got {
			if !slices.Contains(want, r) {
				t.Fatalf("%d bytes: %q", n, r)
			}
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestEveryDamagedByte: a damaged byte costs its record and is told; what comes after is read, and no number is used for something else.
func TestEveryDamagedByte(t *testing.T) {
	root := t.TempDir()
	written(t, root)
	file := segments(t, root)[0]
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for at := range whole {
		damaged := bytes.Clone(whole)
		damaged[at] ^= 0x41
		if err := os.WriteFile(file, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		j := reopen(t, root)
		damage := slices.Clone(j.Damage())
		got, _ := rows(t, j)
		text := strings.Join(got, "\n")
		// The last record may be torn for all that is known; of everything else the damage is told.
		if len(damage) == 0 && strings.Contains(text, "4008000000000000") && len(got) == 8 {
			t.Errorf("byte %d: nobody noticed", at)
		}
		if len(got) < 5 {
			t.Errorf("byte %d: only %q", at, got)
		}
		last := uint64(0)
		for _, r := range got {
			var n uint64
			if _, err := fmt.Sscan(r, &n); err != nil || n < last {
				t.Errorf("byte %d: %q after batch %d", at, r, last)
			}
			last = n
		}
		if len(damage) > 0 {
			if kept, err := j.Refused(); err != nil || len(kept) != 1 {
				t.Errorf("byte %d: the damaged file is not kept: %v %v", at, kept, err)
			}
			if err := os.RemoveAll(filepath.Join(root, "run-1", "rank0", "refused")); err != nil {
				t.Fatal(err)
			}
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOneProcessAtATime(t *testing.T) {
	root := t.TempDir()
	j := create(t, root)
	if _, err := journal.Create(root, identity, 0); !errors.Is(err, journal.ErrBusy) {
		t.Errorf("a second: %v", err)
	}
	if _, err := journal.Open(journal.PlaceOf(root, "run-1", "rank0")); !errors.Is(err, journal.ErrBusy) {
		t.Errorf("a reader: %v", err)
	}
	other := identity
	other.Writer = "rank1"
	k, err := journal.Create(root, other, 0)
	if err != nil {
		t.Fatal(err)
	}
	places, err := journal.Find(root)
	if err != nil || len(places) != 2 {
		t.Errorf("%v %v", places, err)
	}
	if err := errors.Join(k.Remove(), j.Remove()); err != nil {
		t.Fatal(err)
	}
	if _, err := journal.Open(journal.PlaceOf(root, "run-1", "rank0")); !errors.Is(err, journal.ErrNothing) {
		t.Errorf("nothing there: %v", err)
	}
	for _, bad := range []event.WriterID{"", "a.b", "../x"} {
		id := identity
		id.Writer = bad
		if _, err := journal.Create(root, id, 0); !errors.Is(err, event.ErrBadID) {
			t.Errorf("writer %q: %v", bad, err)
		}
	}
}

// TestAnyHistory writes at random, lets the process die and come back, acknowledges some, and reads: everything is there once, in order,
// under numbers that only grow.
func TestAnyHistory(t *testing.T) {
	maxBatch, maxSegment := journal.MaxBatch, journal.MaxSegment
	t.Cleanup(func() { journal.MaxBatch, journal.MaxSegment = maxBatch, maxSegment })
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue { // each costs fsyncs
		if err := f.Value.Set("30"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Value.Set(f.DefValue) })
	}
	rapid.Check(t, func(t *rapid.T) {
		journal.MaxBatch, journal.MaxSegment = rapid.IntRange(20, 400).Draw(t, "batch"), rapid.IntRange(50, 1500).Draw(t, "segment")
		root, err := os.MkdirTemp("", "journal")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(root)
		open := func() *journal.Journal {
			j, err := journal.Create(root, identity, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			return j
		}
		j := open()
		var want, got []string
		var last uint64
		step := int64(0)
		read := func(upTo int) {
			for range upTo {
				b, ok := j.Next()
				if !ok {
					return
				}
				if b.Number <= last {
					t.Fatalf("batch %d after %d", b.Number, last)
				}
				last = b.Number
				c, err := j.Load(b)
				if err != nil || c.Damaged > 0 || c.Lost > 0 || c.Points != b.Points {
					t.Fatalf("%+v %v", c, err)
				}
				for _, p := range c.Parts {
					if p.Entry != nil {
						got = append(got, string(p.Entry))
					}
					for _, s := range p.Series {
						for i := range s.Steps {
							got = append(got, fmt.Sprint(s.Key, s.Steps[i]))
						}
					}
				}
				j.Acknowledge(b.Number)
			}
		}
		for range rapid.IntRange(1, 30).Draw(t, "ops") {
			switch rapid.SampledFrom([]string{"write", "write", "write", "cut", "read", "die", "sync"}).Draw(t, "op") {
			case "write":
				var points []journal.Point
				var entries [][]byte
				for range rapid.IntRange(1, 30).Draw(t, "n") {
					step++
					if rapid.IntRange(0, 9).Draw(t, "kind") == 0 {
						e := fmt.Sprintf(`{"note":"%d %s"}`, step, strings.Repeat("x", rapid.IntRange(0, 300).Draw(t, "len")))
						points = append(points, journal.Point{Name: journal.IsEntry, Step: int64(len(entries))})
						entries, want = append(entries, []byte(e)), append(want, e)
						continue
					}
					key := rapid.SampledFrom([]string{"a", "b", "train/loss"}).Draw(t, "key")
					points = append(points, journal.Point{Name: j.Name(key, ""), Step: step, Time: step, Value: 1})
					want = append(want, fmt.Sprint(key, step))
				}
				if n, err := j.Write(points, entries); n != len(points) || err != nil {
					t.Fatal(n, err)
				}
			case "cut":
				j.Cut()
			case "read":
				read(rapid.IntRange(1, 3).Draw(t, "batches"))
			case "sync":
				if err := j.Sync(); err != nil {
					t.Fatal(err)
				}
			case "die":
				if err := j.Close(); err != nil {
					t.Fatal(err)
				}
				j = open()
				if _, any := j.Next(); any {
					// What was acknowledged and still lies in a file is known by the tracker's number.
					j.Acknowledge(last)
				} else if last = 0; j.Identity().Base != nil {
					t.Fatal("numbers begin again, and the tracker need not be asked where it is")
				}
			}
		}
		j.Cut()
		read(1 << 30)
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(want, got) {
			t.Fatalf("want %d, got %d\n%q\n%q", len(want), len(got), want, got)
		}
		if _, _, any := j.Left(); any {
			t.Fatal("something is left")
		}
		if err := j.Remove(); err != nil {
			t.Fatal(err)
		}
	})
}

// seed adds whole and damaged segments.
func seed(f *testing.F) {
	root := f.TempDir()
	written(f, root)
	whole, err := os.ReadFile(segments(f, root)[0])
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)-3])
	f.Add(whole[8:])
	f.Add([]byte("MRJRNL1\n"))
	f.Add([]byte{})
}

func FuzzRead(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		at, read := 0, 0
		gaps, tail := journal.Scan(b, func(r journal.Record) {
			if r.At < at || r.End <= r.At || r.End > len(b) {
				t.Fatalf("record %d-%d after %d", r.At, r.End, at)
			}
			at, read = r.End, read+r.End-r.At
		})
		for _, g := range gaps {
			read += g.Bytes
		}
		if read+tail != len(b) {
			t.Fatalf("%d bytes are records or gaps, %d the end, of %d", read, tail, len(b))
		}
		c := journal.Parse(b)
		n := 0
		for _, p := range c.Parts {
			for _, s := range p.Series {
				if len(s.Steps) != len(s.Times) || len(s.Steps) != len(s.Values) || s.Key == "" && len(s.Steps) == 0 {
					t.Fatalf("%+v", s)
				}
				n += len(s.Steps)
			}
		}
		if n != c.Points {
			t.Fatalf("%d points, says %d", n, c.Points)
		}
	})
}

// FuzzRecover opens what may lie in a directory.
func FuzzRecover(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		place := filepath.Join(dir, "run-1", "rank0")
		if err := os.MkdirAll(place, 0o700); err != nil {
			t.Fatal(err)
		}
		for name, content := range map[string]string{
			"lock": "", "open.json": `{"format":"millrace.journal/1","run":"run-1","writer":"rank0"}`, "0000000000000001.mrj": string(b),
		} {
			if err := os.WriteFile(filepath.Join(place, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		j := reopen(t, dir)
		last := uint64(0)
		for {
			b, ok := j.Next()
			if !ok {
				break
			}
			if b.Number <= last {
				t.Fatalf("batch %d after %d", b.Number, last)
			}
			last = b.Number
			if _, err := j.Load(b); err != nil {
				t.Fatal(err)
			}
			j.Acknowledge(b.Number)
		}
		if err := j.Remove(); err != nil {
			t.Fatal(err)
		}
	})
}
