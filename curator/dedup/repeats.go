package dedup

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"

	"millrace/curator/corpus"
)

// Repeats searches documents for pieces that were there before, at one Level: lines, spans of sentences, or runs of words. The
// first occurrence in the order of documents stays; where the others are is told when all have been seen.
//
// Pieces are told by 64-bit hashes, which are not compared with the text again: in n pieces about n²/2⁶⁵ are taken for others and
// removed wrongly, 0.03 in a corpus of 10⁹.
//
// What is held in memory is SpillBytes, whatever the number of documents and pieces (Go's collector lets it become twice that);
// everything else is sorted on disk, 13 to
// 16 bytes for most pieces and 4 to 8 for each that is repeated. Neither Workers nor SpillBytes changes the result.
type Repeats struct {
	Level      Level
	Workers    int    // goroutines; 0 means GOMAXPROCS
	Dir        string // for temporary files; "" means os.TempDir
	SpillBytes int64  // of keys in memory; 0 means 128 MiB
}

// Level is what counts as a piece: Lines, Sentences or Substrings.
type Level interface {
	// Check tells what is wrong with its numbers.
	Check() error
	// seeker finds the pieces of texts, for one goroutine: their keys, and where they are in the text.
	seeker() func(text string, found func(key uint64, start, end int))
	// repeats tells whether a later piece goes that has the same key as the first of all.
	repeats(first, later place) bool
	// fit moves the borders of ranges to where the text is better cut.
	fit(text string, ranges []Range) []Range
	// judge says why what is left of a text must go, if it must.
	judge(left string) corpus.Why
}

// Range is the bytes text[Start:End].
type Range struct{ Start, End int }

// Removal says what of a document was there before.
type Removal struct {
	Document int     // number in the order of Add, from 0
	Ranges   []Range // ascending, apart from each other, none empty
}

// RepeatSearch is a search of Repeats under way: Add every text, then range over Removals, as often as needed, and Close it
// whatever happens. One goroutine may use it.
type RepeatSearch struct {
	how   Repeats
	crew  crew
	marks *sorter[pieceMark]
	cuts  *sorter[place]
	found bool
	err   error // of finding
}

// Search begins a search. Its errors, here and later, are those of temporary files and of ctx.
func (r Repeats) Search(ctx context.Context) (*RepeatSearch, error) {
	if err := r.Level.Check(); err != nil {
		return nil, err
	}
	r.Workers, r.SpillBytes = workersOf(r.Workers), spillOf(r.SpillBytes, 128<<20)
	s := &RepeatSearch{how: r}
	var err error
	if s.marks, err = newSorter[pieceMark](r.Dir, "millrace-pieces-*", keyParts); err == nil {
		s.cuts, err = newSorter[place](r.Dir, "millrace-cuts-*", 1)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.crew.start(ctx, r.Workers, func() worker {
		return &pieceWorker{search: s, seek: r.Level.seeker(), most: max(1, int(r.SpillBytes/int64(r.Workers)/pieceMarkBytes))}
	})
	return s, nil
}

// Close ends a search and removes its files.
func (s *RepeatSearch) Close() error {
	s.crew.dismiss()
	return errors.Join(s.marks.Close(), s.cuts.Close())
}

// Add takes the next document's text, and lets it go soon afterwards.
func (s *RepeatSearch) Add(text string) error {
	if len(text) > math.MaxUint32 {
		return fmt.Errorf("duplicate search: a text of %d bytes: the limit is %d", len(text), uint32(math.MaxUint32))
	}
	return s.crew.add(text)
}

// Removals says of every document of which something was there before, in the order they were added, what that is. An error
// ends the sequence.
func (s *RepeatSearch) Removals() iter.Seq2[Removal, error] {
	return func(yield func(Removal, error) bool) {
		if err := s.find(); err != nil {
			yield(Removal{}, err)
			return
		}
		var r Removal
		for c, err := range s.cuts.merged(s.crew.ctx, 0, s.crew.documents, s.how.SpillBytes) {
			if err == nil {
				err = s.crew.ctx.Err()
			}
			if err != nil {
				yield(Removal{}, err)
				return
			}
			start, end := int(c.start), int(c.end)
			last := len(r.Ranges) - 1
			switch {
			case last >= 0 && int(c.document) != r.Document:
				if !yield(r, nil) {
					return
				}
				r = Removal{int(c.document), []Range{{start, end}}}
			case last >= 0 && start <= r.Ranges[last].End:
				r.Ranges[last].End = max(r.Ranges[last].End, end)
			default:
				r.Document = int(c.document)
				r.Ranges = append(r.Ranges, Range{start, end})
			}
		}
		if len(r.Ranges) > 0 {
			yield(r, nil)
		}
	}
}

// Bytes is how much the search has written to disk so far, though the greater part is given back when everything is found.
func (s *RepeatSearch) Bytes() int64 { return s.marks.bytes() + s.cuts.bytes() }

// Sizes in memory, with what becomes of them on their way to disk.
const (
	pieceMarkBytes = 24 + 2
	placeBytes     = 12 + 8
)

// pieceWorker makes the marks of texts.
type pieceWorker struct {
	search *RepeatSearch
	seek   func(text string, found func(key uint64, start, end int))
	lists  [keyParts][]pieceMark
	held   int
	most   int
	raw    []byte
}

func (w *pieceWorker) see(b batch) error {
	var failed error
	for i, text := range b.texts {
		document := b.first + uint32(i)
		w.seek(text, func(key uint64, start, end int) {
			part := key >> 60
			w.lists[part] = append(w.lists[part], pieceMark{key, place{document, uint32(start), uint32(end)}})
			if w.held++; w.held >= w.most && failed == nil {
				failed = w.end()
			}
		})
		if failed != nil {
			return failed
		}
	}
	return nil
}

func (w *pieceWorker) end() (err error) {
	for part, list := range w.lists {
		if w.raw, err = w.search.marks.spill(part, list, w.raw); err != nil {
			return err
		}
		w.lists[part] = list[:0]
	}
	w.held = 0
	return nil
}

// find makes cuts of marks, once.
func (s *RepeatSearch) find() error {
	if s.found {
		return s.err
	}
	s.found = true
	if s.err = s.crew.finish(); s.err != nil {
		return s.err
	}
	memory := s.how.SpillBytes / int64(2*s.how.Workers)
	s.err = everyPart(s.crew.ctx, s.how.Workers, keyParts, func(ctx context.Context, part int) error {
		most := max(1, int(memory/placeBytes))
		var found []place
		var raw []byte
		var first pieceMark
		none := true
		for m, err := range s.marks.merged(ctx, part, s.crew.documents, memory) {
			switch {
			case err != nil:
				return err
			case none || m.key != first.key:
				first, none = m, false
				continue
			case !s.how.Level.repeats(first.place, m.place):
				continue
			}
			if found = append(found, m.place); len(found) >= most {
				if raw, err = s.cuts.spill(0, found, raw); err != nil {
					return err
				}
				found = found[:0]
			}
		}
		_, err := s.cuts.spill(0, found, raw)
		return err
	})
	if s.err == nil {
		s.err = s.marks.empty()
	}
	return s.err
}
