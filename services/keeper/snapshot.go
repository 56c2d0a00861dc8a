package keeper

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"millrace/event"
	"millrace/services/bus"
	"millrace/storage/blob"
	"millrace/storage/readmodel"
)

const (
	snapshotFormat = "millrace.snapshot.v1"
	headerName     = "header.json"
	// A piece of a file has so many bytes, and a large file larger pieces: a tree names at most 10,000.
	minPiece  = 4 << 20
	maxPieces = 8_000
	maxPiece  = 1 << 30
)

// Header says what a snapshot holds. It is one file of the snapshot's tree; the others, named 000000, 000001, …, are the file's pieces, each
// compressed by itself: what did not change since the snapshot before is stored already.
type Header struct {
	Format string `json:"format"` // "millrace.snapshot.v1"
	Layout int    `json:"layout"` // of the read model's file
	Log    string `json:"log"`    // identity of the log
	Place  uint64 `json:"place"`  // the facts up to here are in it
	Fact   string `json:"fact"`   // id of the fact there
	Bytes  int64  `json:"bytes"`  // of the file
	Piece  int64  `json:"piece"`  // bytes of every piece but the last, not compressed
	SHA256 string `json:"sha256"` // of the file, 64 hexadecimal digits
}

// ParseHeader reads a header. ErrSnapshot.
func ParseHeader(raw []byte) (Header, error) {
	var h Header
	if err := json.Unmarshal(raw, &h); err != nil {
		return Header{}, fmt.Errorf("keeper: snapshot's header: %w: %w", ErrSnapshot, err)
	}
	if sum, err := hex.DecodeString(h.SHA256); err != nil || len(sum) != sha256.Size || h.Format != snapshotFormat || h.Bytes <= 0 || h.Piece <= 0 || h.Piece > maxPiece || h.pieces() > maxPieces+1 {
		return Header{}, fmt.Errorf("keeper: snapshot's header: format %.40q, %d bytes in pieces of %d, sha256 %.70q: %w", h.Format, h.Bytes, h.Piece, h.SHA256, ErrSnapshot)
	}
	return h, nil
}

func (h Header) pieces() int64 { return (h.Bytes + h.Piece - 1) / h.Piece }

func pieceName(i int64) string { return fmt.Sprintf("%06d", i) }

// Snapshot puts a copy of the read model into storage and says so in the log. When nothing but the newest snapshot's own word came since, that
// one is returned.
func (k *Keeper) Snapshot(ctx context.Context, by string) (event.SnapshotTaken, error) {
	end, err := k.begin()
	if err != nil {
		return event.SnapshotTaken{}, err
	}
	defer end()
	return k.snapshot(ctx, by)
}

func (k *Keeper) snapshot(ctx context.Context, by string) (event.SnapshotTaken, error) {
	all, err := k.Model.Snapshots()
	if err != nil {
		return event.SnapshotTaken{}, err
	}
	if n := len(all); n > 0 && all[n-1].Layout == readmodel.Layout && all[n-1].Seq == k.Model.Cursor().Applied {
		if _, err := k.Blobs.Stat(ctx, blob.Digest(all[n-1].SnapshotTaken.Snapshot)); err == nil {
			return all[n-1].SnapshotTaken, nil
		}
	}
	taken, err := k.store(ctx)
	if err != nil {
		return event.SnapshotTaken{}, fmt.Errorf("keeper: snapshot: %w", err)
	}
	taken.By = by
	seq, err := k.Bus.Publish(ctx, taken)
	if err != nil {
		return event.SnapshotTaken{}, fmt.Errorf("keeper: snapshot: %w", err)
	}
	return taken, k.Model.WaitFor(ctx, seq)
}

// store copies the file and puts it into storage in pieces.
func (k *Keeper) store(ctx context.Context) (event.SnapshotTaken, error) {
	path := filepath.Join(k.Temp, "millrace-snapshot.db")
	defer os.Remove(path)
	c, err := k.Model.CopyTo(path)
	if err != nil {
		return event.SnapshotTaken{}, err
	}
	f, err := os.Open(path)
	if err != nil {
		return event.SnapshotTaken{}, err
	}
	defer f.Close()
	h := Header{Format: snapshotFormat, Layout: c.Layout, Log: c.Identity, Place: c.Seq, Fact: c.Fact, Bytes: c.Bytes, Piece: minPiece}
	if c.Bytes > minPiece*maxPieces {
		h.Piece = (c.Bytes/maxPieces>>20 + 1) << 20
	}
	whole := sha256.New()
	piece := make([]byte, h.Piece)
	var files []blob.Entry
	var stored int64
	for i := range h.pieces() {
		n, err := io.ReadFull(f, piece[:min(h.Piece, h.Bytes-i*h.Piece)])
		if err != nil {
			return event.SnapshotTaken{}, err
		}
		whole.Write(piece[:n])
		ref, err := k.Blobs.Put(ctx, compress(piece[:n]))
		if err != nil {
			return event.SnapshotTaken{}, err
		}
		stored += ref.Size
		files = append(files, blob.Entry{Name: pieceName(i), Ref: ref})
	}
	h.SHA256 = hex.EncodeToString(whole.Sum(nil))
	raw, err := json.Marshal(h)
	if err != nil {
		return event.SnapshotTaken{}, err
	}
	ref, err := k.Blobs.Put(ctx, raw)
	if err != nil {
		return event.SnapshotTaken{}, err
	}
	tree, err := k.Blobs.PutTree(ctx, append(files, blob.Entry{Name: headerName, Ref: ref}))
	if err != nil {
		return event.SnapshotTaken{}, err
	}
	return event.SnapshotTaken{
		Place: c.Seq, Fact: c.Fact, Log: c.Identity, Layout: c.Layout, Snapshot: event.Digest(tree.Digest), Bytes: c.Bytes, Stored: stored + ref.Size + tree.Size,
	}, nil
}

// Restore makes path the file that a snapshot is of: whole, checked and durable, in one rename, or not at all. blob.ErrNotFound when the
// snapshot was collected; ErrSnapshot.
func Restore(ctx context.Context, blobs *blob.Store, digest event.Digest, path string) (Header, error) {
	fail := func(err error) (Header, error) {
		return Header{}, fmt.Errorf("keeper: restore snapshot %s: %w", digest.Short(), err)
	}
	tree, err := blobs.Tree(ctx, blob.Digest(digest))
	if err != nil {
		return fail(err)
	}
	ref, ok := tree.File(headerName)
	if !ok || ref.Size > 1<<20 {
		return fail(fmt.Errorf("no header: %w", ErrSnapshot))
	}
	raw, err := blobs.Get(ctx, ref.Digest)
	if err != nil {
		return fail(err)
	}
	h, err := ParseHeader(raw)
	if err != nil {
		return fail(err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".restore.*")
	if err != nil {
		return fail(err)
	}
	defer os.Remove(f.Name()) // after the rename there is no such name
	err = fill(ctx, blobs, f, tree, h)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fail(err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fail(err)
	}
	return h, nil
}

// fill writes the pieces in their order and checks the whole.
func fill(ctx context.Context, blobs *blob.Store, f *os.File, tree blob.Tree, h Header) error {
	whole := sha256.New()
	for i := range h.pieces() {
		ref, ok := tree.File(pieceName(i))
		if !ok {
			return fmt.Errorf("piece %d is missing: %w", i, ErrSnapshot)
		}
		b, err := blobs.Get(ctx, ref.Digest)
		if err != nil {
			return err
		}
		raw, err := decompress(b, uint64(h.Piece))
		if err != nil {
			return fmt.Errorf("piece %d: %w: %w", i, ErrSnapshot, err)
		}
		if want := min(h.Piece, h.Bytes-i*h.Piece); int64(len(raw)) != want {
			return fmt.Errorf("piece %d has %d bytes, want %d: %w", i, len(raw), want, ErrSnapshot)
		}
		whole.Write(raw)
		if _, err := f.Write(raw); err != nil {
			return err
		}
	}
	if got := hex.EncodeToString(whole.Sum(nil)); got != h.SHA256 {
		return fmt.Errorf("its sha256 is %s, want %s: %w", got, h.SHA256, ErrSnapshot)
	}
	return nil
}

// behindBy is how many facts a read model's file may lack of the newest snapshot before that is fetched instead of folding.
const behindBy = 100_000

// Prepare makes a read model's file ready to be opened: where there is none that can be used, or it is far behind, the newest fitting snapshot
// takes its place. It is a shortcut: without a snapshot the log is folded from its beginning, the archive included. It fails only when a part
// of the log is in neither, nor in a snapshot.
func Prepare(ctx context.Context, b *bus.Bus, archive *Archive, path string, log *slog.Logger) error {
	state, err := b.State(ctx)
	if err != nil {
		return err
	}
	is, err := readmodel.Inspect(path)
	if err != nil {
		return err
	}
	from := uint64(1) // the fold goes on here
	if is.Layout == readmodel.Layout && is.Identity == state.Identity && is.Seq <= state.Last {
		from = is.Seq + 1
	}
	reachable := func(from uint64) (bool, error) {
		if from >= state.First {
			return true, nil
		}
		c, _, err := archive.Catalogue(ctx)
		return c.Through()+1 >= state.First, err
	}
	taken, err := newest(ctx, b, state)
	if err != nil {
		return err
	}
	can, why := reachable(from)
	if taken.Place >= from && (!can || taken.Place-from >= behindBy || from == 1) {
		if err := replace(ctx, b, archive.Blobs, taken, path); err == nil {
			log.Info("the read model begins with a snapshot", "place", taken.Place, "bytes", taken.Bytes, "snapshot", taken.Snapshot)
			can, why = reachable(taken.Place + 1)
		} else if ctx.Err() != nil {
			return err
		} else {
			log.Warn("a snapshot could not be used: the log is folded instead", "snapshot", taken.Snapshot, "error", err)
		}
	}
	switch {
	case why != nil:
		return fmt.Errorf("keeper: the read model cannot be brought up to date: the log begins at %d, and what comes before: %w", state.First, why)
	case !can && from > 1 || !can && taken.Place > 0:
		return fmt.Errorf("keeper: the read model cannot be brought up to date: facts %d to %d are neither in the log nor in an archive, and no snapshot of layout %d replaces them: restore the object store from a backup, or move the data directory's log away to begin a new one", from, state.First-1, readmodel.Layout)
	case !can:
		log.Error("the beginning of the log is missing, and what it told: neither log nor archive has it", "first", state.First)
	}
	return nil
}

// newest is the newest snapshot of this layout and log, zero when there is none.
func newest(ctx context.Context, b *bus.Bus, state bus.State) (event.SnapshotTaken, error) {
	env, err := b.Last(ctx, event.SnapshotTaken{Layout: readmodel.Layout}.Subject())
	if errors.Is(err, bus.ErrNone) {
		return event.SnapshotTaken{}, nil
	}
	if err != nil {
		return event.SnapshotTaken{}, err
	}
	taken, ok := env.Event.(event.SnapshotTaken)
	if !ok || taken.Log != state.Identity || taken.Place > state.Last {
		return event.SnapshotTaken{}, nil
	}
	return taken, nil
}

// replace puts a snapshot in the place of the file, which is kept beside when it was no read model.
func replace(ctx context.Context, b *bus.Bus, blobs *blob.Store, taken event.SnapshotTaken, path string) error {
	if env, err := b.At(ctx, taken.Place); err == nil && env.ID != taken.Fact {
		return fmt.Errorf("keeper: at %d the log has %s, the snapshot %s: %w", taken.Place, env.ID, taken.Fact, ErrSnapshot)
	}
	next := path + ".restored"
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), "."+filepath.Base(next)+".restore.*")) // of a process that was killed
	for _, file := range left {
		err = errors.Join(err, os.Remove(file))
	}
	if err != nil {
		return err
	}
	if _, err := Restore(ctx, blobs, taken.Snapshot, next); err != nil {
		return err
	}
	if is, err := readmodel.Inspect(path); err == nil && is.Layout == 0 {
		if err := os.Rename(path, path+".damaged"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return os.Rename(next, path)
}
