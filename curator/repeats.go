package curator

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"unicode/utf8"

	"millrace/curator/attribute"
	"millrace/curator/corpus"
	"millrace/curator/dedup"
	"millrace/curator/spool"
)

// Removed is what one level of de-duplication took out of the documents that were kept.
type Removed struct {
	Level     string           `json:"level"` // its key in recipes
	Documents int64            `json:"documents"`
	Bytes     int64            `json:"bytes"` // of their text
	Examples  []RemovedExample `json:"examples,omitempty"`
}

// RemovedExample is the beginning of something that was removed.
type RemovedExample struct {
	Source   string `json:"source"`
	Document string `json:"document"`
	Text     string `json:"text"`
}

// exampleBytes is how much of a removed text an example has, at most.
const exampleBytes = 200

// repeated is a level that the recipe wants, and what it found.
type repeated struct {
	key    string
	level  dedup.Level
	search *dedup.RepeatSearch
	Removed
}

// levels are the levels that the recipe wants, in order: from the coarse to the fine, each in what the one before has left. All
// come after whole documents, so that nearly equal documents are still nearly equal when those are looked for, and so that no
// text counts as there before whose document goes.
func (r Recipe) levels() []*repeated {
	var all []*repeated
	add := func(key string, level dedup.Level) {
		all = append(all, &repeated{key: key, level: level, Removed: Removed{Level: key}})
	}
	if r.DedupLines != nil {
		add(dedup.LinesKey, *r.DedupLines)
	}
	if r.DedupSentences != nil {
		add(dedup.SentencesKey, *r.DedupSentences)
	}
	if r.DedupSubstrings != nil {
		add(dedup.SubstringsKey, *r.DedupSubstrings)
	}
	return all
}

// waiting is what is held of the documents that are not decided upon yet.
type waiting struct{ *spool.Spool }

func (w *work) wait(ctx context.Context) (waiting, error) {
	s, err := spool.Create(ctx, w.TempDir, 1)
	return waiting{s}, err
}

func (q waiting) add(d corpus.Doc, note []byte) error {
	return q.Add(corpus.Doc{Source: d.Source, ID: d.ID, Ordinal: d.Ordinal, Text: string(note)})
}

// removeRepeats takes out of the documents of the spool what was there before, at each level in turn, and decides upon the
// documents: what is left of those that stay is the spool's content afterwards.
func (w *work) removeRepeats(ctx context.Context, levels []*repeated, notes waiting, keep func(d corpus.Doc, size int64)) (err error) {
	defer func() {
		for _, l := range levels {
			if l.search != nil {
				err = errors.Join(err, l.search.Close())
			}
		}
	}()
	p := Progress{Phase: PhaseRepeats, Total: int64(len(levels)+1) * w.survey.bytes, Unit: "bytes"}
	w.survey.bytes = 0
	for i, l := range levels {
		if l.search, err = (dedup.Repeats{Level: l.level, Workers: w.Workers, Dir: w.TempDir}).Search(ctx); err != nil {
			return err
		}
		for d, err := range w.withoutRepeats(ctx, levels[:i]) {
			if err == nil && d.why.Reason == "" && d.Chat == nil {
				err = l.search.Add(d.Text)
			}
			if err != nil {
				return err
			}
			p.Done += d.size
			w.tell(p)
		}
	}
	left, err := spool.Create(ctx, w.TempDir, w.Workers)
	if err != nil {
		return err
	}
	err = w.decideRepeats(ctx, levels, notes, left, keep, &p)
	if err != nil {
		return errors.Join(err, left.Close())
	}
	old := w.spool
	w.spool = left
	for _, l := range levels {
		if l.Documents > 0 {
			w.removed = append(w.removed, l.Removed)
		}
	}
	return old.Close()
}

// decideRepeats is the last pass of removeRepeats.
func (w *work) decideRepeats(ctx context.Context, levels []*repeated, notes waiting, left *spool.Spool, keep func(d corpus.Doc, size int64), p *Progress) error {
	next, stop := iter.Pull2(notes.Docs(ctx, 1, nil, nil))
	defer stop()
	var batch []corpus.Doc
	for d, err := range w.withoutRepeats(ctx, levels) {
		if err != nil {
			return err
		}
		for len(batch) == 0 {
			more := false
			if batch, err, more = next(); err != nil {
				return err
			} else if !more {
				return fmt.Errorf("%w: nothing is known of %s", spool.ErrDamaged, d.ID)
			}
		}
		note := batch[0]
		if batch = batch[1:]; note.Ordinal != d.Ordinal {
			return fmt.Errorf("%w: %s is known where %s should be", spool.ErrDamaged, note.ID, d.ID)
		}
		if err := w.resume(d.Doc, []byte(note.Text)); err != nil {
			return err
		}
		p.Done += d.size
		if d.why.Reason != "" {
			w.survey.kept.clear(d.Ordinal)
			w.leave(ctx, corpus.Drop{Why: d.why, Source: d.Source, ID: d.ID, Bytes: d.size})
		} else {
			if err := w.countRemoved(levels, &d); err != nil {
				return err
			}
			if err := left.Add(d.Doc); err != nil {
				return err
			}
			keep(d.Doc, int64(len(d.Text)))
		}
		if w.failed != nil {
			return w.failed
		}
		w.tell(*p)
	}
	return left.Finish()
}

// countRemoved notes what was taken out of a document that stays.
func (w *work) countRemoved(levels []*repeated, d *cutDoc) error {
	name := w.survey.counts[d.Source].Name
	for i, l := range levels {
		if d.removed[i].bytes == 0 {
			continue
		}
		l.Documents++
		l.Bytes += d.removed[i].bytes
		if len(l.Examples) < corpus.MaxExamples {
			l.Examples = append(l.Examples, RemovedExample{name, d.ID, d.removed[i].example})
		}
	}
	if int64(len(d.Text)) == d.size || !w.index.on {
		return nil
	}
	return w.index.Add(attribute.TextEntry(alike(d.Text), attribute.Nearly, attribute.DocumentKey(name, d.ID)))
}

// cutDoc is a document from which levels took something.
type cutDoc struct {
	corpus.Doc
	size    int64      // of the text before
	why     corpus.Why // too little is left
	removed []cutOut   // by level
}

// cutOut is what one level took from a document.
type cutOut struct {
	bytes   int64
	example string
}

// withoutRepeats gives the documents that were kept, in order, without what some levels found. Conversations stay as they are.
func (w *work) withoutRepeats(ctx context.Context, levels []*repeated) iter.Seq2[cutDoc, error] {
	return func(yield func(cutDoc, error) bool) {
		cursors := make([]*removals, len(levels))
		for i, l := range levels {
			cursors[i] = newRemovals(l.search)
			defer cursors[i].stop()
		}
		for doc, err := range w.keptDocs(ctx, nil) {
			d := cutDoc{Doc: doc, size: int64(len(doc.Text)), removed: make([]cutOut, len(levels))}
			for i, l := range levels {
				if err != nil || d.why.Reason != "" || d.Chat != nil {
					break
				}
				var ranges []dedup.Range
				if ranges, err = cursors[i].next(); err != nil || len(ranges) == 0 {
					continue
				}
				before := d.Text
				d.Text, d.why, err = dedup.Cut(l.level, before, ranges)
				d.removed[i] = cutOut{int64(len(before) - len(d.Text)), beginning(before[ranges[0].Start:ranges[0].End])}
			}
			if int64(len(d.Text)) != d.size {
				d.Seal()
			}
			if !yield(d, err) || err != nil {
				return
			}
		}
	}
}

// removals goes along the documents that a search was given.
type removals struct {
	pull     func() (dedup.Removal, error, bool)
	stop     func()
	ahead    dedup.Removal // the next one
	some     bool          // there is one
	started  bool
	document int
}

func newRemovals(s *dedup.RepeatSearch) *removals {
	r := &removals{}
	r.pull, r.stop = iter.Pull2(s.Removals())
	return r
}

// next is what was found in the next document.
func (r *removals) next() (ranges []dedup.Range, err error) {
	if !r.started {
		r.started = true
		if r.ahead, err, r.some = r.pull(); err != nil {
			return nil, err
		}
	}
	if r.some && r.ahead.Document == r.document {
		ranges = r.ahead.Ranges
		r.ahead, err, r.some = r.pull()
	}
	r.document++
	return ranges, err
}

// beginning is the first characters of a text, on one line.
func beginning(s string) string {
	s = strings.Join(strings.Fields(s[:min(len(s), 4*exampleBytes)]), " ")
	if len(s) > exampleBytes {
		s = s[:exampleBytes]
		for !utf8.ValidString(s) {
			s = s[:len(s)-1]
		}
	}
	return s
}
