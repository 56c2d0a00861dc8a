package dedup

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"millrace/curator/corpus"
)

// Verdict is what a search says of a document.
type Verdict struct {
	Doc   corpus.Doc // without text and URL
	Bytes int64      // of text
	Note  []byte     // as it was added; nil when it was empty
	// Of is the document that Doc repeats, the first of its kind, or nil when Doc is that itself. Why has the reason,
	// NearDuplicate, or Duplicate when the texts are equal.
	Of  *corpus.Doc
	Why corpus.Why
}

// Search is a search for whole documents under way, of Exact or MinHash: Add every document, then range over Verdicts, once,
// and Close it whatever happens. One goroutine may use it.
type Search struct {
	crew    crew
	journal journal
	finder  finder
}

// finder is what is particular about a search. The documents it is asked about are numbers in the order of Add.
type finder interface {
	hire() worker
	// find is called when every text has been seen.
	find(ctx context.Context, documents uint32) error
	// first is the first document of those that are like this one, which may be itself. It is asked about every document in
	// order, once.
	first(document uint32) (uint32, error)
	// why is the reason to drop a document in favour of the first.
	why(document, first uint32, e, of entry) (corpus.Why, error)
	Close() error
}

func newSearch(ctx context.Context, workers int, dir string, f finder) (*Search, error) {
	s := &Search{finder: f}
	if err := s.journal.open(dir); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.crew.start(ctx, workers, f.hire)
	return s, nil
}

// Close ends a search and removes its files.
func (s *Search) Close() error {
	s.crew.dismiss()
	return errors.Join(s.journal.Close(), s.finder.Close())
}

// Add takes the next document, and a note of at most 64 KiB that waits on disk for its verdict. The text is let go soon
// afterwards, the note at once.
func (s *Search) Add(d corpus.Doc, note []byte) error {
	if err := s.journal.add(d, note); err != nil {
		return err
	}
	return s.crew.add(d.Text)
}

// Verdicts says of every document, in the order they were added, whether it stays. An error ends the sequence.
func (s *Search) Verdicts() iter.Seq2[Verdict, error] {
	return func(yield func(Verdict, error) bool) {
		err := s.crew.finish()
		if err == nil {
			err = s.journal.finish()
		}
		if err == nil {
			err = s.finder.find(s.crew.ctx, s.journal.documents)
		}
		if err != nil {
			yield(Verdict{}, err)
			return
		}
		document := uint32(0)
		for e, err := range s.journal.all() {
			if err == nil {
				err = s.crew.ctx.Err()
			}
			v := Verdict{Doc: e.doc, Bytes: e.size, Note: e.note}
			if err == nil {
				err = s.judge(&v, document, e)
			}
			if err != nil {
				yield(Verdict{}, err)
				return
			}
			if !yield(v, nil) {
				return
			}
			document++
		}
	}
}

// judge says whether a document stays, and why it does not.
func (s *Search) judge(v *Verdict, document uint32, e entry) error {
	first, err := s.finder.first(document)
	if err != nil || first == document {
		return err
	}
	if first > document {
		return spoilt(fmt.Errorf("document %d repeats %d", document, first))
	}
	of, err := s.journal.at(first)
	if err != nil {
		return err
	}
	v.Of = &of.doc
	v.Why, err = s.finder.why(document, first, e, of)
	return err
}
