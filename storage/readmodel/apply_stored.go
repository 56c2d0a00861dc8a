package readmodel

import (
	"time"

	"millrace/cost"
	"millrace/event"
)

// holding says that a run keeps an object: a file of a checkpoint or an artifact that it made, or a dataset as a whole.
type holding struct {
	References int    `json:"references"` // records of the run that name it
	Size       int64  `json:"size"`       // bytes
	Since      uint64 `json:"since"`      // the place of the fact
	// Pays tells that the object counts for this run: of those that keep it, the one that did so first.
	Pays bool `json:"pays,omitempty"`
}

// hold notes that a record of a run names an object that it keeps. The object counts for the first run that keeps it.
func (f *fold) hold(run event.RunID, object event.Digest, size int64) error {
	if run == "" || object == "" || size < 0 || f.runs[run] == nil {
		return nil
	}
	h, held, err := f.holding(run, object)
	if err != nil {
		return err
	}
	if h.References++; held {
		return f.put(tableStored, string(object), parts(string(run)), h)
	}
	h.Size, h.Since, h.Pays = size, f.env.Seq, true
	if err := f.holders(object, func(_ event.RunID, other holding) { h.Pays = h.Pays && !other.Pays }); err != nil {
		return err
	}
	if h.Pays {
		if err := f.store(run, size); err != nil {
			return err
		}
	}
	return f.put(tableStored, string(object), parts(string(run)), h)
}

// release takes back what hold noted. An object that still others keep counts for the first of them from now on.
func (f *fold) release(run event.RunID, object event.Digest) error {
	h, held, err := f.holding(run, object)
	if err != nil || !held {
		return err
	}
	if h.References--; h.References > 0 {
		return f.put(tableStored, string(object), parts(string(run)), h)
	}
	f.pending.remove(tableStored, string(object), parts(string(run)))
	if !h.Pays {
		return nil
	}
	if err := f.store(run, -h.Size); err != nil {
		return err
	}
	var heir event.RunID
	var of holding
	if err := f.holders(object, func(other event.RunID, is holding) {
		if other != run && (heir == "" || is.Since < of.Since) {
			heir, of = other, is
		}
	}); err != nil || heir == "" {
		return err
	}
	of.Pays = true
	if err := f.store(heir, of.Size); err != nil {
		return err
	}
	return f.put(tableStored, string(object), parts(string(heir)), of)
}

func (f *fold) holding(run event.RunID, object event.Digest) (h holding, held bool, err error) {
	raw := f.v.get(tableStored, string(object), parts(string(run)))
	if raw == nil {
		return h, false, nil
	}
	h, err = decode[holding](raw)
	return h, err == nil, err
}

// holders calls fn with every run that keeps an object.
func (f *fold) holders(object event.Digest, fn func(event.RunID, holding)) (err error) {
	f.v.scan(tableStored, string(object), span{}, func(rest, raw []byte) bool {
		var h holding
		if h, err = decode[holding](raw); err != nil {
			return false
		}
		if run, _, ok := cutPart(rest); ok {
			fn(event.RunID(run), h)
		}
		return true
	})
	return err
}

// store adds bytes to what a run keeps, from the fact's time on. It is no sign of life.
func (f *fold) store(run event.RunID, bytes int64) error {
	st := f.runs[run]
	if st == nil || bytes == 0 {
		return nil
	}
	full, err := f.record(f.v, st)
	if err != nil {
		return err
	}
	r := *full
	r.Kept = r.Kept.Until(f.at)
	r.Kept.Bytes += bytes
	f.touched[run] = struct{}{}
	f.columns.paid(st, f.at)
	f.keep(st, &r, dirtyLive)
	return nil
}

// holdFiles and releaseFiles are of a checkpoint's files.
func (f *fold) holdFiles(run event.RunID, files []event.File) error {
	for _, file := range files {
		if err := f.hold(run, file.Digest, file.Size); err != nil {
			return err
		}
	}
	return nil
}

func (f *fold) releaseFiles(run event.RunID, files []event.File) error {
	for _, file := range files {
		if err := f.release(run, file.Digest); err != nil {
			return err
		}
	}
	return nil
}

// keeps tells whether an artifact is kept by its run: what it only read is not.
func (a *Artifact) keeps() bool { return a.File.Digest != "" && a.Role != "input" }

// releaseAll lets go of everything that a run keeps but its dataset, which stays when the run is deleted.
func (f *fold) releaseAll(run event.RunID) error {
	var files []event.File
	var err error
	f.v.scan(tableCheckpoint, string(run), span{}, func(_, value []byte) bool {
		var c Checkpoint
		if c, err = decode[Checkpoint](value); err == nil && !c.Deleted {
			files = append(files, c.Files...)
		}
		return err == nil
	})
	if err != nil {
		return err
	}
	f.v.scan(tableArtifact, string(run), span{}, func(_, value []byte) bool {
		var a Artifact
		if a, err = decode[Artifact](value); err == nil && a.keeps() {
			files = append(files, a.File)
		}
		return err == nil
	})
	if err != nil {
		return err
	}
	return f.releaseFiles(run, files)
}

// Kept is what a run keeps in storage, and how long it has.
type Kept struct {
	Bytes       int64     `json:"bytes,omitempty"`        // now
	ByteSeconds float64   `json:"byte_seconds,omitempty"` // up to At
	At          time.Time `json:"at,omitzero"`
}

// Until is what it amounts to at a later time.
func (k Kept) Until(at time.Time) Kept {
	if at.After(k.At) {
		if !k.At.IsZero() {
			k.ByteSeconds += float64(k.Bytes) * at.Sub(k.At).Seconds()
		}
		k.At = at
	}
	return k
}

// stored is what storage has to be paid for at a time.
func (k Kept) stored(at time.Time) cost.Stored {
	k = k.Until(at)
	return cost.Stored{Bytes: float64(k.Bytes), ByteSeconds: k.ByteSeconds}
}
