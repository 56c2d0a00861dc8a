package keeper_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"millrace/event"
	"millrace/services/keeper"
	"millrace/storage/blob"
)

// age makes everything in the store two days old, in its files: the embedded server tells the time of a file in lists, and otherwise the one
// in the JSON behind an object's bytes, whose length stands 16 bytes before the end.
func (l *lab) age() error {
	old := time.Now().Add(-48 * time.Hour)
	return filepath.WalkDir(filepath.Join(l.dir, "objects"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil || !bytes.HasSuffix(b, []byte("mrs3obj1")) {
			return err
		}
		end := len(b) - 16
		begin := end - int(binary.LittleEndian.Uint32(b[end:]))
		var meta struct {
			ETag    []byte            `json:"etag"`
			Headers map[string]string `json:"headers"`
		}
		if err := json.Unmarshal(b[begin:end], &meta); err != nil {
			return err
		}
		meta.Headers["Last-Modified"] = old.UTC().Format(http.TimeFormat)
		j, err := json.Marshal(meta)
		if err != nil {
			return err
		}
		b = append(b[:begin:begin], j...)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(j)))
		b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(j, crc32.MakeTable(crc32.Castagnoli)))
		return errors.Join(os.WriteFile(path, append(b, "mrs3obj1"...), 0o600), os.Chtimes(path, old, old))
	})
}

// TestWhatIsNamedWhileGarbageIsCollectedStays has writers store or find again, and then name, objects that were garbage until then, while
// collections run one after the other. Whatever was named is there afterwards, whole, and what was not is gone.
func TestWhatIsNamedWhileGarbageIsCollectedStays(t *testing.T) {
	l := start(t)
	l.tell(life("r")...)
	round := 0
	names := map[string]bool{} // of what was named, ever
	rapid.Check(t, func(rt *rapid.T) {
		if checks := flag.Lookup("rapid.checks"); round == 30 && checks.Value.String() == checks.DefValue {
			return // enough, unless somebody asks for a number
		}
		ctx := t.Context()
		round++
		n := rapid.IntRange(1, 8).Draw(rt, "objects")
		type deed struct {
			named, found bool // found: named without being stored again
			wait         time.Duration
		}
		deeds := make([]deed, n)
		for i := range deeds {
			text := fmt.Sprintf("object %d of round %d", i, round)
			if _, err := l.blobs.Put(ctx, []byte(text)); err != nil {
				rt.Fatal(err)
			}
			deeds[i] = deed{rapid.Bool().Draw(rt, "named"), rapid.Bool().Draw(rt, "found"), time.Duration(rapid.IntRange(0, 3000).Draw(rt, "wait")) * time.Microsecond}
		}
		if err := l.age(); err != nil {
			rt.Fatal(err)
		}
		k := &keeper.Keeper{Bus: l.bus, Blobs: l.blobs, Model: l.model, Archive: l.keeper.Archive, Temp: l.dir, Now: time.Now, Log: quiet}
		var writers sync.WaitGroup
		var mu sync.Mutex
		for i, d := range deeds {
			if !d.named {
				continue
			}
			text := fmt.Sprintf("object %d of round %d", i, round)
			writers.Go(func() {
				time.Sleep(d.wait)
				digest := blob.DigestOf([]byte(text))
				gone := !d.found
				if d.found {
					_, err := l.blobs.Refresh(ctx, digest)
					gone = err != nil // it was collected before: then it must be stored
				}
				if gone {
					if _, err := l.blobs.Put(ctx, []byte(text)); err != nil {
						t.Error(err)
						return
					}
				}
				time.Sleep(d.wait)
				mu.Lock() // the lab's clock is for one
				defer mu.Unlock()
				if _, err := l.bus.PublishAs(ctx, event.Envelope{Event: event.ArtifactLogged{Run: "r", Path: text, Role: "output", File: event.File{Digest: event.Digest(digest), Size: int64(len(text))}}}); err != nil {
					t.Error(err)
				}
				names[text] = true
			})
		}
		done := make(chan struct{})
		go func() { writers.Wait(); close(done) }()
		for over := false; !over; {
			select {
			case <-done:
				over = true
			default:
			}
			if _, err := k.Collect(ctx, keeper.Grace, false); err != nil {
				rt.Fatal(err)
			}
		}
		if err := l.age(); err != nil { // what was made young again for nothing
			rt.Fatal(err)
		}
		g, err := k.Collect(ctx, keeper.Grace, false)
		if err != nil {
			rt.Fatal(err)
		}
		rt.Logf("%+v", g)
		for i := range deeds {
			text := fmt.Sprintf("object %d of round %d", i, round)
			got, err := l.blobs.Get(ctx, blob.DigestOf([]byte(text)))
			if is := err == nil && string(got) == text; is != names[text] {
				rt.Fatalf("%q is there: %v, named: %v (%v)", text, is, names[text], err)
			}
		}
	})
	l.check()
}
