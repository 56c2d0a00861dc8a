package journal

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"millrace/event"
)

// The names in a writer's directory beside its segments.
const (
	lockName      = "lock"
	identityName  = "open.json"
	endName       = "end.json"
	refusedName   = "refused"
	artifactsName = "artifacts"
	format        = "millrace.journal/1"
)

// Errors when a journal is opened.
var (
	ErrBusy    = errors.New("another process writes it")
	ErrNothing = errors.New("nothing was written")
)

// Identity says whose journal it is, and what opens the run. No token is in it.
type Identity struct {
	Format string          `json:"format"`
	Server string          `json:"server"`
	Run    event.RunID     `json:"run"`
	Writer event.WriterID  `json:"writer"`
	Create json.RawMessage `json:"create,omitempty"` // the body that opens the run; none: it is there already
	Resume bool            `json:"resume,omitempty"` // an ended run is to go on
	// Base is what the server had of this writer before this journal's first batch; nil until the server was asked.
	Base *uint64 `json:"base,omitempty"`
}

// Ending is how a writer's run ended.
type Ending struct {
	Status   string         `json:"status"`
	ExitCode *int           `json:"exitCode,omitempty"`
	Failure  *event.Failure `json:"failure,omitempty"`
	// Time is when it ended; zero: when the tracker hears of it.
	Time time.Time `json:"time,omitzero"`
}

// Place is a journal's directory below a root: root/run/writer.
type Place struct {
	Run    event.RunID
	Writer event.WriterID
	Dir    string
}

// PlaceOf is where a writer's journal lies.
func PlaceOf(root string, run event.RunID, writer event.WriterID) Place {
	return Place{run, writer, filepath.Join(root, string(run), string(writer))}
}

// Find lists the journals below a root, those of the oldest runs first (their ids sort by time).
func Find(root string) ([]Place, error) {
	runs, err := os.ReadDir(root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	var all []Place
	for _, r := range runs {
		if !r.IsDir() || !event.ValidID(r.Name()) {
			continue
		}
		writers, err := os.ReadDir(filepath.Join(root, r.Name()))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("journal: %w", err)
		}
		for _, w := range writers {
			if w.IsDir() && event.ValidID(w.Name()) {
				all = append(all, PlaceOf(root, event.RunID(r.Name()), event.WriterID(w.Name())))
			}
		}
	}
	return all, nil
}

// Create opens a writer's journal, a new one or that of a dead process with the same name, which goes on. memoryLimit bounds in bytes what is
// kept in memory while the disk takes no more. ErrBusy when a living process has it.
func Create(root string, id Identity, memoryLimit int64) (*Journal, error) {
	p := PlaceOf(root, id.Run, id.Writer)
	j, err := open(p, memoryLimit, true)
	if err != nil {
		return nil, err
	}
	before, err := j.readIdentity()
	switch {
	case err == nil && len(j.batches) > 0:
		id.Base = before.Base // what is left goes out under its numbers, and the new after it
	case err == nil:
		id.Base, j.next = nil, 1
	case !errors.Is(err, ErrNothing):
		return nil, errors.Join(err, j.Close())
	}
	id.Format = format
	j.id = id
	if err := j.writeFile(identityName, id); err != nil {
		return nil, errors.Join(err, j.Close())
	}
	return j, nil
}

// Open opens the journal of a dead process. ErrBusy when its process lives, ErrNothing when it died before it had written anything.
func Open(p Place) (*Journal, error) {
	j, err := open(p, 0, false)
	if err != nil {
		return nil, err
	}
	if j.id, err = j.readIdentity(); err != nil {
		if errors.Is(err, ErrNothing) {
			return nil, errors.Join(err, j.Remove())
		}
		return nil, errors.Join(err, j.Close())
	}
	if j.id.Run != p.Run || j.id.Writer != p.Writer {
		return nil, errors.Join(fmt.Errorf("journal: %s says that it is writer %s of run %s: put it where it belongs", p.Dir, j.id.Writer, j.id.Run), j.Close())
	}
	return j, nil
}

func open(p Place, memoryLimit int64, create bool) (*Journal, error) {
	if !event.ValidID(string(p.Run)) || !event.ValidID(string(p.Writer)) {
		return nil, fmt.Errorf("journal: run %q, writer %q: %w: 1-64 letters, digits, - and _", p.Run, p.Writer, event.ErrBadID)
	}
	lock, err := take(p.Dir, create)
	if err != nil {
		return nil, err
	}
	j := &Journal{dir: p.Dir, lock: lock, memoryLimit: memoryLimit, byName: map[name]uint32{}, next: 1, gen: 1}
	if err := j.recover(); err != nil {
		return nil, errors.Join(err, j.Close())
	}
	return j, nil
}

// take takes a directory's lock.
func take(dir string, create bool) (*os.File, error) {
	for {
		if create {
			if err := os.MkdirAll(dir, 0o700); errors.Is(err, os.ErrExist) {
				continue // it was there, and was removed before it could be looked at
			} else if err != nil {
				return nil, fmt.Errorf("journal: %w", err)
			}
		}
		path := filepath.Join(dir, lockName)
		lock, err := lockFile(path)
		switch {
		case errors.Is(err, os.ErrNotExist) && create:
			continue // removed in between
		case errors.Is(err, os.ErrNotExist):
			return nil, fmt.Errorf("journal: %s: %w", dir, ErrNothing)
		case err != nil:
			return nil, fmt.Errorf("journal: %s: %w", dir, err)
		}
		mine, err := lock.Stat()
		if err != nil {
			return nil, errors.Join(fmt.Errorf("journal: %w", err), lock.Close())
		}
		if there, err := os.Stat(path); err == nil && os.SameFile(mine, there) {
			return lock, nil
		}
		if err := lock.Close(); err != nil { // whoever had it has removed it
			return nil, fmt.Errorf("journal: %w", err)
		}
	}
}

// recover lists the batches that a process before left. What follows the last cut is a batch too: nobody will add to it.
func (j *Journal) recover() error {
	entries, err := os.ReadDir(j.dir)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	var firsts []uint64
	for _, e := range entries { // sorted by name, which is by number
		if first, ok := firstOf(e.Name()); ok {
			firsts = append(firsts, first)
		}
	}
	for i, first := range firsts {
		var after uint64
		if i+1 < len(firsts) {
			after = firsts[i+1]
		}
		if err := j.recoverSegment(first, after); err != nil {
			return err
		}
	}
	return nil
}

// recoverSegment lists a segment's batches. after is the number that the next segment begins with, 0 for the last.
func (j *Journal) recoverSegment(first, after uint64) error {
	path := filepath.Join(j.dir, segmentName(first))
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	s := &segment{first: first, path: path, f: f}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(fmt.Errorf("journal: %w", err), f.Close())
	}
	s.size = min(info.Size(), maxSegment)
	s.synced.Store(s.size)
	raw, err := s.read(0, s.size)
	if err != nil {
		return errors.Join(fmt.Errorf("journal: %w", err), f.Close())
	}
	at := int64(0)
	if strings.HasPrefix(string(raw), segmentMagic) {
		at = int64(len(segmentMagic))
	}
	j.next = max(j.next, first)
	from, to, points := at, at, 0
	closeBatch := func(number uint64) {
		if to > from {
			j.batches = append(j.batches, Batch{Number: number, Points: points, seg: s, from: from, to: to})
			j.waiting += int64(points)
			s.left++
		}
		j.next, points = number+1, 0
	}
	gaps, tail := Scan(raw[at:], func(r Record) {
		switch r.Kind {
		case Cut:
			number, n := binary.Uvarint(r.Body)
			if n <= 0 || number < j.next {
				number = j.next
			}
			closeBatch(number)
			from, to = at+int64(r.End), at+int64(r.End)
		default:
			if n, k := binary.Uvarint(r.Body); r.Kind == Points && k > 0 {
				points += int(min(n, uint64(len(r.Body))))
			}
			to = at + int64(r.End)
		}
	})
	if to > from {
		number := j.next
		switch last := gaps[max(0, len(gaps)-1):]; {
		case after > number:
			number = after - 1
		case len(last) > 0 && at+int64(last[0].At) >= from:
			// A cut may have been in the gap, and what follows it not been sent: a number that nobody has used.
			number += uint64(last[0].Bytes / header)
		}
		closeBatch(number)
	}
	if at == 0 && len(gaps) == 0 && s.size > int64(len(segmentMagic)) {
		gaps = append(gaps, Gap{0, tail}) // nothing of it can be read: that is no torn end
	}
	for _, g := range gaps {
		j.damage = append(j.damage, Damage{path, int(at) + g.At, g.Bytes})
	}
	j.segments = append(j.segments, s)
	if s.left == 0 {
		j.free(s)
	}
	return nil
}

// Identity is whose journal it is.
func (j *Journal) Identity() Identity {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.id
}

// Dir is the journal's directory.
func (j *Journal) Dir() string { return j.dir }

// SetBase records durably what the server had of this writer before the first batch.
func (j *Journal) SetBase(base uint64) error {
	id := j.Identity()
	id.Base = &base
	if err := j.writeFile(identityName, id); err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.id = id
	return nil
}

// SetEnd records durably how the run ended.
func (j *Journal) SetEnd(e Ending) error { return j.writeFile(endName, e) }

// End is how the run ended; false when it has not.
func (j *Journal) End() (e Ending, ended bool, err error) {
	err = j.readFile(endName, &e)
	if errors.Is(err, fs.ErrNotExist) {
		return e, false, nil
	}
	return e, err == nil, err
}

// ClearEnd forgets the end: the tracker knows it.
func (j *Journal) ClearEnd() error {
	err := os.Remove(filepath.Join(j.dir, endName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Refuse keeps what the tracker will not take, with its words, durably. It returns the file.
func (j *Journal) Refuse(name string, v any) (string, error) {
	if err := os.MkdirAll(filepath.Join(j.dir, refusedName), 0o700); err != nil {
		return "", fmt.Errorf("journal: %w", err)
	}
	file := filepath.Join(refusedName, name)
	return filepath.Join(j.dir, file), j.writeFile(file, v)
}

// Refused lists the files of what was refused.
func (j *Journal) Refused() ([]string, error) {
	files, err := filepath.Glob(filepath.Join(j.dir, refusedName, "*"))
	slices.Sort(files)
	return files, err
}

// Remove deletes the journal and gives the directory back. What was refused stays, and with it the directory.
func (j *Journal) Remove() error {
	if files, err := j.Refused(); err != nil || len(files) > 0 {
		j.mu.Lock()
		for _, s := range slices.Clone(j.segments) {
			if s.left == 0 && (s != j.cur || s.size == j.from) {
				j.free(s)
			}
		}
		j.cur = nil
		j.mu.Unlock()
		return errors.Join(err, j.Close())
	}
	j.mu.Lock()
	var errs []error
	for _, s := range j.segments {
		errs = append(errs, s.close())
	}
	j.segments, j.cur, j.batches = nil, nil, nil
	j.mu.Unlock()
	errs = append(errs, removeLocked(j.dir, j.lock))
	_ = os.Remove(filepath.Dir(j.dir)) // the run's folder, when no other writer is in it
	return errors.Join(errs...)
}

func (j *Journal) readIdentity() (Identity, error) {
	var id Identity
	err := j.readFile(identityName, &id)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return id, fmt.Errorf("journal: %s: %w", j.dir, ErrNothing)
	case err != nil:
		return id, err
	case id.Format != format:
		return id, fmt.Errorf("journal: %s is of format %q, this program reads %q: use the version that wrote it", j.dir, id.Format, format)
	}
	return id, nil
}

func (j *Journal) readFile(name string, v any) error {
	path := filepath.Join(j.dir, name)
	raw, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("journal: %s: %w", path, err)
	}
	return nil
}

// writeFile writes a file whole and durably, or leaves it as it was.
func (j *Journal) writeFile(name string, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("journal: %s: %w", name, err)
	}
	return writeWhole(filepath.Join(j.dir, name), append(raw, '\n'))
}

func writeWhole(path string, raw []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	_, err = f.Write(raw)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("journal: %w", errors.Join(err, os.Remove(f.Name())))
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}
