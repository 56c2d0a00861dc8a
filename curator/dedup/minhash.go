package dedup

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"runtime"
	"slices"
	"sync"

	"millrace/curator/corpus"

	"golang.org/x/sync/errgroup"
)

// NearDuplicate is the reason of a document that is, by MinHash, nearly the same as an earlier one: value is the estimated
// similarity to the document it repeats, limit is Threshold. The value is below the limit when chance had it so, or when
// other documents of the cluster are between the two.
const NearDuplicate = "near_duplicate"

// Threshold is the similarity around which documents begin to be found, (1/14)^(1/8).
const Threshold = 0.7190084519372291

// MinHash searches for near duplicates: documents that share one of 14 bands of 8 MinHash values of their 5-word shingles
// are linked, linked documents are a cluster, and of a cluster the first in corpus order stays. Texts of fewer than 5 words
// are linked when they are equal but for white space.
//
// Signatures are spilled to temporary files in sorted runs, and merged band by band, several at a time. What is held in
// memory is 4 bytes a document and SpillBytes; on disk, about 350 bytes a document and its note. Neither Workers nor SpillBytes
// changes the result.
type MinHash struct {
	Workers    int    // goroutines; 0 means GOMAXPROCS
	Dir        string // for temporary files; "" means os.TempDir
	SpillBytes int64  // of marks before they are sorted and written; 0 means 64 MiB
}

// Verdict is what a search says of a document.
type Verdict struct {
	Doc   corpus.Doc // without text and URL
	Bytes int64      // of text
	Note  []byte     // as it was added; nil when it was empty
	// Of is the document that Doc repeats, the first of its cluster, or nil when Doc is that itself. Why has the reason,
	// NearDuplicate, or Duplicate when the texts are equal.
	Of  *corpus.Doc
	Why corpus.Why
}

// Search is a search under way: Add every document, then range over Verdicts, once, and Close it whatever happens. One
// goroutine may use it.
type Search struct {
	how     MinHash
	ctx     context.Context // ends with the caller's and with Close
	cancel  context.CancelFunc
	workers *errgroup.Group
	signing context.Context // ends with ctx and with the workers
	work    chan batch
	next    batch

	entries   *spillFile // an entry a document
	written   int64      // bytes of entries
	entry     []byte
	out       *bufio.Writer
	sketches  *spillFile // sketchBytes a document
	marks     *spillFile
	documents uint32

	mu       sync.Mutex
	runs     [Bands + 1][]run // of marks by band; the last is of equal short texts
	marksEnd int64
}

// batch is documents, one after another, for a worker.
type batch struct {
	first   uint32
	texts   []string
	entries []int64 // where each entry is
	bytes   int
}

// batchBytes is how much text a worker gets at once.
const batchBytes = 256 << 10

// A sketch on disk: the offset of the document's entry, whether there is a sketch, the sketch.
const (
	sketchFlag  = 8
	sketchStart = 9
	sketchBytes = sketchStart + Hashes
)

// Search begins a search. Its errors, here and later, are those of temporary files and of ctx.
func (m MinHash) Search(ctx context.Context) (*Search, error) {
	if m.Workers <= 0 {
		m.Workers = runtime.GOMAXPROCS(0)
	}
	if m.SpillBytes <= 0 {
		m.SpillBytes = 64 << 20
	}
	s := &Search{how: m, work: make(chan batch)}
	s.ctx, s.cancel = context.WithCancel(ctx)
	s.workers, s.signing = errgroup.WithContext(s.ctx)
	for _, file := range []struct {
		name string
		is   **spillFile
	}{{"millrace-entries-*", &s.entries}, {"millrace-sketches-*", &s.sketches}, {"millrace-marks-*", &s.marks}} {
		var err error
		if *file.is, err = newSpillFile(m.Dir, file.name); err != nil {
			return nil, joinClose(err, s)
		}
	}
	s.out = bufio.NewWriterSize(s.entries, 256<<10)
	for range m.Workers {
		s.workers.Go(s.sign)
	}
	return s, nil
}

// Close ends a search and removes its files.
func (s *Search) Close() error {
	s.cancel()
	s.workers.Wait() // its error has been returned by Add or Verdicts, or nobody wants it any more
	var err error
	for _, f := range []*spillFile{s.entries, s.sketches, s.marks} {
		if f != nil {
			err = joinClose(err, f)
		}
	}
	return err
}

// Add takes the next document, and a note of at most 64 KiB that waits on disk for its verdict. The text is let go soon
// afterwards, the note at once.
func (s *Search) Add(d corpus.Doc, note []byte) error {
	if s.documents == math.MaxUint32 {
		return fmt.Errorf("near-duplicate search: more than %d documents: curate parts of the corpus", s.documents)
	}
	if len(d.ID) > maxIDBytes {
		return fmt.Errorf("near-duplicate search: a document id of %d bytes: the limit is %d", len(d.ID), maxIDBytes)
	}
	if len(note) > maxNoteBytes {
		return fmt.Errorf("near-duplicate search: a note of %d bytes: the limit is %d", len(note), maxNoteBytes)
	}
	s.entry = appendEntry(s.entry[:0], entry{d, int64(len(d.Text)), note})
	if _, err := s.out.Write(s.entry); err != nil {
		return unwritten(err)
	}
	if len(s.next.texts) == 0 {
		s.next.first = s.documents
	}
	s.next.texts = append(s.next.texts, d.Text)
	s.next.entries = append(s.next.entries, s.written)
	s.next.bytes += len(d.Text) + sketchBytes
	s.written += int64(len(s.entry))
	s.documents++
	if s.next.bytes >= batchBytes {
		return s.send()
	}
	return nil
}

// send gives the workers what has been collected.
func (s *Search) send() error {
	select {
	case s.work <- s.next:
		s.next = batch{}
		return nil
	case <-s.signing.Done():
		return context.Cause(s.signing) // a worker's error
	}
}

// sign is a worker: it signs documents until there are no more, and spills their marks when they become many.
func (s *Search) sign() error {
	signer := NewSigner()
	var (
		marks   [Bands + 1][]mark
		held    int64
		records []byte
		text    []byte
		sig     Signature
	)
	most := max(1, s.how.SpillBytes/int64(s.how.Workers)/16) // 16 bytes a mark in memory
	for {
		var b batch
		var more bool
		select {
		case b, more = <-s.work:
		case <-s.signing.Done():
			return context.Cause(s.signing)
		}
		if !more {
			return s.spill(&marks)
		}
		records = records[:0]
		for i, t := range b.texts {
			document := b.first + uint32(i)
			records = binary.LittleEndian.AppendUint64(records, uint64(b.entries[i]))
			if signer.Sign(&sig, t) {
				for band, key := range sig.BandKeys() {
					marks[band] = append(marks[band], mark{key, document})
				}
				held += Bands
				sketch := sig.Sketch()
				records = append(append(records, 1), sketch[:]...)
				continue
			}
			text = Normalize(text[:0], t)
			sum := sha256.Sum256(text)
			marks[Bands] = append(marks[Bands], mark{binary.LittleEndian.Uint64(sum[:]), document})
			held++
			records = append(records, make([]byte, 1+Hashes)...)
		}
		if _, err := s.sketches.WriteAt(records, int64(b.first)*sketchBytes); err != nil {
			return unwritten(err)
		}
		if held >= most {
			if err := s.spill(&marks); err != nil {
				return err
			}
			held = 0
		}
	}
}

// spill writes a worker's marks, a run a band, and empties them.
func (s *Search) spill(marks *[Bands + 1][]mark) error {
	var raw []byte
	for band, list := range marks {
		if len(list) == 0 {
			continue
		}
		slices.SortFunc(list, compareMarks)
		raw = appendRun(raw[:0], list)
		s.mu.Lock()
		r := run{s.marksEnd, int64(len(list))}
		s.marksEnd += int64(len(raw))
		s.runs[band] = append(s.runs[band], r)
		s.mu.Unlock()
		if _, err := s.marks.WriteAt(raw, r.offset); err != nil {
			return unwritten(err)
		}
		marks[band] = list[:0]
	}
	return nil
}

// Verdicts says of every document, in the order they were added, whether it stays. An error ends the sequence.
func (s *Search) Verdicts() iter.Seq2[Verdict, error] {
	return func(yield func(Verdict, error) bool) {
		c, err := s.cluster()
		if err != nil {
			yield(Verdict{}, err)
			return
		}
		in := bufio.NewReaderSize(io.NewSectionReader(s.entries, 0, s.written), 256<<10)
		for document := range s.documents {
			if err := s.ctx.Err(); err != nil {
				yield(Verdict{}, err)
				return
			}
			e, err := readEntry(in)
			v := Verdict{Doc: e.doc, Bytes: e.size, Note: e.note}
			if first := c.first(document); err == nil && first != document {
				err = s.explain(&v, document, first)
			}
			if err != nil {
				yield(Verdict{}, err)
				return
			}
			if !yield(v, nil) {
				return
			}
		}
	}
}

// cluster waits for the workers and merges what they wrote.
func (s *Search) cluster() (*clusters, error) {
	if len(s.next.texts) > 0 {
		if err := s.send(); err != nil {
			return nil, err
		}
	}
	close(s.work)
	if err := s.workers.Wait(); err != nil {
		return nil, err
	}
	if err := s.out.Flush(); err != nil {
		return nil, unwritten(err)
	}
	c := newClusters(s.documents)
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(s.ctx)
	group.SetLimit(s.how.Workers)
	for _, runs := range s.runs {
		group.Go(func() error {
			buffer := min(max(s.how.SpillBytes/int64(s.how.Workers*max(1, len(runs))), 4<<10), 256<<10)
			readers := make([]*runReader, len(runs))
			for i, r := range runs {
				readers[i] = newRunReader(s.marks, r, s.documents, int(buffer))
			}
			found := make([]link, 0, 1024)
			join := func() {
				mu.Lock()
				defer mu.Unlock()
				for _, l := range found {
					c.link(l.first, l.other)
				}
				found = found[:0]
			}
			for l, err := range links(merge(ctx, readers)) {
				if err != nil {
					return err
				}
				if found = append(found, l); len(found) == cap(found) {
					join()
				}
			}
			join()
			return nil
		})
	}
	return c, group.Wait()
}

// explain says why a document goes that repeats another.
func (s *Search) explain(v *Verdict, document, first uint32) error {
	_, mine, signed, err := s.sketch(document)
	if err != nil {
		return err
	}
	offset, theirs, _, err := s.sketch(first)
	if err != nil {
		return err
	}
	of, err := readEntry(bufio.NewReaderSize(io.NewSectionReader(s.entries, offset, s.written-offset), 512))
	if err != nil {
		return err
	}
	v.Of = &of.doc
	if !signed || of.doc.Digest == v.Doc.Digest {
		v.Why = corpus.Why{Reason: Duplicate, Value: float64(v.Bytes)}
	} else {
		v.Why = corpus.Why{Reason: NearDuplicate, Value: mine.Similarity(&theirs), Limit: Threshold}
	}
	return nil
}

// sketch reads a document's record.
func (s *Search) sketch(document uint32) (entry int64, sk Sketch, signed bool, err error) {
	var raw [sketchBytes]byte
	if _, err := s.sketches.ReadAt(raw[:], int64(document)*sketchBytes); err != nil {
		return 0, sk, false, spoilt(err)
	}
	offset := binary.LittleEndian.Uint64(raw[:])
	if offset >= uint64(s.written) {
		return 0, sk, false, spoilt(fmt.Errorf("an entry at %d of %d", offset, s.written))
	}
	return int64(offset), Sketch(raw[sketchStart:]), raw[sketchFlag] == 1, nil
}

// joinClose closes c, and adds what goes wrong to err.
func joinClose(err error, c io.Closer) error {
	if closeErr := c.Close(); closeErr != nil {
		return errors.Join(err, closeErr)
	}
	return err
}
