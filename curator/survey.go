package curator

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"

	"millrace/curator/corpus"
	"millrace/event"
)

// survey is what reading finds out.
type survey struct {
	source    event.Digest
	counts    []SourceCount
	kept      bitmap // by ordinal
	passed    int64  // what nothing has dropped so far
	documents int64  // kept
	bytes     int64  // of their text
}

// bitmap is a set of ordinals.
type bitmap []uint64

func (b *bitmap) set(i int64) {
	for int64(len(*b)) <= i/64 {
		*b = append(*b, 0)
	}
	(*b)[i/64] |= 1 << (i % 64)
}

func (b bitmap) clear(i int64) { b[i/64] &^= 1 << (i % 64) }

func (b bitmap) has(i int64) bool { return i/64 < int64(len(b)) && b[i/64]>>(i%64)&1 == 1 }

// makeSurvey reads everything: which documents to keep, and what there is of them.
func (w *work) makeSurvey(ctx context.Context) (err error) {
	s := &w.survey
	for _, source := range w.listing.Sources {
		s.counts = append(s.counts, SourceCount{Name: source.Name})
	}
	for _, f := range w.listing.Files {
		s.counts[f.Source].Files++
	}
	p := Progress{Phase: PhaseSurvey, Total: w.listing.Bytes(), Unit: "bytes"}
	if limit := w.recipe.LimitBytes; limit > 0 {
		p.Total = min(p.Total, limit) // about: what is dropped is read on top
	}
	for _, d := range w.unlisted {
		w.note(ctx, refined{Doc: corpus.Doc{Source: d.Source, ID: d.ID}, rawBytes: d.Bytes, why: d.Why})
	}
	all := sha256.New()
	read := func(yield func(corpus.Doc) bool) {
		for batch, err := range corpus.Parallel(ctx, w.Workers, w.reading(ctx), w.refineBatch) {
			if w.failed = cmp.Or(w.failed, err); w.failed != nil {
				return
			}
			for _, e := range batch {
				switch e.kind {
				case readBytes:
					p.Done = min(p.Done+e.bytes, p.Total)
					w.tell(p)
					continue
				case readDrop:
					w.dropped.Add(e.drop)
					w.note(ctx, refined{Doc: corpus.Doc{Source: e.drop.Source, ID: e.drop.ID}, rawBytes: e.drop.Bytes, why: e.drop.Why})
					continue
				}
				r := e.refined
				c := &s.counts[r.Source]
				if w.failed = w.index.texts(c.Name, r); w.failed != nil {
					return
				}
				c.Documents++
				c.Bytes += r.rawBytes
				sealDoc(all, c.Name, r.ID, r.identity)
				if r.flag.Reason != "" {
					w.flagged.Add(corpus.Drop{Why: r.flag, Source: r.Source, ID: r.ID, Bytes: r.rawBytes})
				}
				if !r.keep {
					w.dropped.Add(corpus.Drop{Why: r.why, Source: r.Source, ID: r.ID, Bytes: r.rawBytes})
					w.note(ctx, r)
					continue
				}
				w.hold(r)
				if !yield(r.Doc) {
					return
				}
			}
		}
	}
	keep := func(d corpus.Doc, size int64) {
		w.stay(ctx, d)
		c := &s.counts[d.Source]
		c.KeptDocuments++
		c.KeptBytes += size
		s.kept.set(d.Ordinal)
		s.documents++
		s.bytes += size
	}
	levels := w.recipe.levels()
	decide := keep
	var notes waiting
	if len(levels) > 0 {
		if notes, err = w.wait(ctx); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, notes.Close()) }()
		decide = func(d corpus.Doc, size int64) {
			w.failed = cmp.Or(w.failed, notes.add(d, w.suspend(nil, d)))
			s.kept.set(d.Ordinal)
			s.bytes += size
		}
	}
	limited := func(yield func(corpus.Doc) bool) {
		taken := int64(0)
		for d := range read {
			size := int64(len(d.Text))
			if limit := w.recipe.LimitBytes; limit > 0 && taken+size > limit {
				if taken == 0 {
					w.failed = fmt.Errorf("%w: the first document, %s, has %d bytes: limit_bytes is %d", ErrEmpty, d.ID, size, limit)
				}
				return
			}
			taken += size
			s.passed++
			if w.failed = cmp.Or(w.failed, w.spool.Add(d)); w.failed != nil || !yield(d) {
				return
			}
		}
	}
	if w.recipe.Dedup != DedupNone {
		if err := w.keepFirst(ctx, limited, decide); err != nil {
			return err
		}
	} else {
		for d := range limited {
			if decide(d, int64(len(d.Text))); w.failed != nil {
				break
			}
		}
	}
	if w.failed = cmp.Or(w.failed, w.spool.Finish()); w.failed != nil {
		return w.failed
	}
	p.Done = p.Total
	w.tell(p)
	if len(levels) > 0 {
		if err := notes.Finish(); err != nil {
			return err
		}
		if err := w.removeRepeats(ctx, levels, notes, keep); err != nil {
			return err
		}
	}
	if s.documents == 0 {
		return fmt.Errorf("%w: %s", ErrEmpty, w.whyNothing())
	}
	if err := w.flushAttributes(ctx); err != nil {
		return err
	}
	s.source = event.Digest("sha256:" + hex.EncodeToString(all.Sum(nil)))
	return nil
}

func sealDoc(h hash.Hash, source, id string, digest [sha256.Size]byte) {
	h.Write([]byte(source + "\x00" + id + "\x00")) // a hash never fails
	h.Write(digest[:])
}
