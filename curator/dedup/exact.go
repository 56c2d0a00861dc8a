package dedup

import (
	"context"
	"crypto/sha256"
	"errors"
	"iter"
	"unicode"
	"unicode/utf8"

	"millrace/curator/corpus"
)

// Duplicate is the reason of a document that is equal to an earlier one: value is the number of bytes.
const Duplicate = "duplicate"

// Exact searches for documents whose normalised text an earlier one had, of whatever source: the first in order stays. Texts
// are told by 16 bytes of sha256; two different ones fall together with probability below 10⁻²⁰ in a corpus of 10⁹ documents.
//
// What is held in memory is SpillBytes, whatever the number of documents (Go's collector lets it become twice that): 12 million at 20 bytes each, before they are sorted
// and written, by default. On disk it is about 100 bytes a document, and its note. Neither Workers nor SpillBytes changes the
// result.
type Exact struct {
	Workers    int    // goroutines; 0 means GOMAXPROCS
	Dir        string // for temporary files; "" means os.TempDir
	SpillBytes int64  // of keys in memory; 0 means 256 MiB
}

// Search begins a search. Its errors, here and later, are those of temporary files and of ctx.
func (x Exact) Search(ctx context.Context) (*Search, error) {
	f := &exactFinder{workers: workersOf(x.Workers), spillBytes: spillOf(x.SpillBytes, 256<<20)}
	var err error
	if f.marks, err = newSorter[textMark](x.Dir, "millrace-marks-*", keyParts); err == nil {
		f.links, err = newSorter[link](x.Dir, "millrace-links-*", 1)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return newSearch(ctx, f.workers, x.Dir, f)
}

// keyParts is into how many parts keys are divided, by their first bits.
const keyParts = 16

// exactFinder is the finder of Exact.
type exactFinder struct {
	workers    int
	spillBytes int64
	marks      *sorter[textMark]
	links      *sorter[link]
	next       func() (link, error, bool)
	stop       func()
	link       link // the next one
	some       bool // there is one
}

func (f *exactFinder) Close() error {
	if f.stop != nil {
		f.stop()
	}
	return errors.Join(f.marks.Close(), f.links.Close())
}

// Sizes of marks in memory, with what they become on their way to disk.
const textMarkBytes = 20 + 2

func (f *exactFinder) hire() worker {
	return &exactWorker{finder: f, most: max(1, int(f.spillBytes/int64(f.workers)/textMarkBytes))}
}

// exactWorker makes the keys of texts.
type exactWorker struct {
	finder *exactFinder
	lists  [keyParts][]textMark
	held   int
	most   int
	text   []byte
	raw    []byte
}

func (w *exactWorker) see(b batch) error {
	for i, t := range b.texts {
		if cap(w.text) > maxKeptBytes {
			w.text = nil
		}
		w.text = Normalize(w.text[:0], t)
		sum := sha256.Sum256(w.text)
		part := sum[0] >> 4
		w.lists[part] = append(w.lists[part], textMark{[16]byte(sum[:16]), b.first + uint32(i)})
		if w.held++; w.held >= w.most {
			if err := w.end(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *exactWorker) end() (err error) {
	for part, list := range w.lists {
		if w.raw, err = w.finder.marks.spill(part, list, w.raw); err != nil {
			return err
		}
		w.lists[part] = list[:0]
	}
	w.held = 0
	return nil
}

// find links every document to the first with its text.
func (f *exactFinder) find(ctx context.Context, documents uint32) error {
	err := everyPart(ctx, f.workers, keyParts, func(ctx context.Context, part int) error {
		most := max(1, int(f.spillBytes/int64(2*f.workers)/16))
		var found []link
		var raw []byte
		var first textMark
		none := true
		for m, err := range f.marks.merged(ctx, part, documents, f.spillBytes/int64(2*f.workers)) {
			switch {
			case err != nil:
				return err
			case none || m.key != first.key:
				first, none = m, false
				continue
			}
			if found = append(found, link{first.document, m.document}); len(found) >= most {
				if raw, err = f.links.spill(0, found, raw); err != nil {
					return err
				}
				found = found[:0]
			}
		}
		_, err := f.links.spill(0, found, raw)
		return err
	})
	if err != nil {
		return err
	}
	f.next, f.stop = iter.Pull2(f.links.merged(ctx, 0, documents, f.spillBytes))
	return f.advance()
}

func (f *exactFinder) advance() (err error) {
	f.link, err, f.some = f.next()
	return err
}

func (f *exactFinder) first(document uint32) (uint32, error) {
	if !f.some || f.link.other != document {
		return document, nil
	}
	first := f.link.first
	return first, f.advance()
}

func (*exactFinder) why(_, _ uint32, e, _ entry) (corpus.Why, error) {
	return corpus.Why{Reason: Duplicate, Value: float64(e.size)}, nil
}

// Normalize appends text to dst as duplicates are compared: every run of white space is one space, none at the ends.
// Letters keep their case.
func Normalize(dst []byte, text string) []byte {
	start := len(dst)
	space := false
	for i := 0; i < len(text); {
		c := text[i]
		if c < utf8.RuneSelf {
			i++
			if c == ' ' || c >= '\t' && c <= '\r' {
				space = true
				continue
			}
			if space && len(dst) > start {
				dst = append(dst, ' ')
			}
			space = false
			dst = append(dst, c)
			continue
		}
		r, n := utf8.DecodeRuneInString(text[i:])
		if unicode.IsSpace(r) {
			space = true
		} else {
			if space && len(dst) > start {
				dst = append(dst, ' ')
			}
			space = false
			dst = append(dst, text[i:i+n]...)
		}
		i += n
	}
	return dst
}
