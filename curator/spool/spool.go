package spool

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"sync"

	"millrace/curator/corpus"

	"github.com/klauspost/compress/zstd"
)

// ErrDamaged is wrapped by errors about a file that does not hold what was written.
var ErrDamaged = errors.New("spool: a temporary file was changed or damaged: start again")

// blockBytes is how many bytes of documents are compressed at once; a block has whole documents, so a large one makes a
// larger block.
const blockBytes = 1 << 20

// block is a stretch of the file.
type block struct {
	offset    int64
	size      int   // in the file
	raw       int   // as documents
	documents int   //
	first     int64 // ordinals
	last      int64
	sources   [2]int // lowest and highest
}

// Spool is documents in a temporary file. One goroutine may use it.
type Spool struct {
	file    *temporary
	workers int
	cancel  context.CancelFunc
	full    chan pending // to be compressed
	done    chan struct{}
	err     error // of writing; read it after done

	next   pending
	blocks []block
	size   int64 // of the file
	raw    int64
	zip    *zstd.Encoder
	unzip  *zstd.Decoder
	spare  sync.Pool // of *[]byte
}

// pending is documents on their way into the file.
type pending struct {
	data []byte
	block
}

// Create makes an empty spool in dir, the system's folder when empty. Compressing takes the given number of goroutines. ctx ends
// Add and Finish.
func Create(ctx context.Context, dir string, workers int) (*Spool, error) {
	file, err := newTemporary(dir)
	if err != nil {
		return nil, err
	}
	s := &Spool{file: file, workers: workers, full: make(chan pending), done: make(chan struct{})}
	s.zip, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(workers), zstd.WithWindowSize(blockBytes))
	if err == nil {
		s.unzip, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(workers), zstd.WithDecoderMaxMemory(1<<32))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("spool: %w", err), file.Close())
	}
	ctx, s.cancel = context.WithCancel(ctx)
	go s.write(ctx)
	return s, nil
}

// Close ends everything and removes the file.
func (s *Spool) Close() error {
	s.cancel()
	<-s.done
	s.unzip.Close()
	return s.file.Close()
}

// Size is how many bytes the file has; Bytes is how many the documents have, with all that is kept of them.
func (s *Spool) Size() int64  { return s.size }
func (s *Spool) Bytes() int64 { return s.raw }

// Add appends a document. Ordinals must ascend. Its errors are those of writing earlier ones and of ctx.
func (s *Spool) Add(d corpus.Doc) error {
	p := &s.next
	if p.documents == 0 {
		p.data = s.take()
		p.first, p.sources = d.Ordinal, [2]int{d.Source, d.Source}
	}
	p.data = appendDoc(p.data, d)
	p.documents++
	p.last = d.Ordinal
	p.sources = [2]int{min(p.sources[0], d.Source), max(p.sources[1], d.Source)}
	if len(p.data) < blockBytes {
		return nil
	}
	return s.flush()
}

// Finish waits until everything is written; then there is something to read, and nothing can be added.
func (s *Spool) Finish() error {
	var err error
	if s.next.documents > 0 {
		err = s.flush()
	}
	close(s.full)
	<-s.done
	if err != nil {
		return err
	}
	return s.err
}

func (s *Spool) flush() error {
	p := s.next
	s.next = pending{}
	p.raw = len(p.data)
	select {
	case s.full <- p:
		return nil
	case <-s.done:
		return s.err
	}
}

// write compresses what comes and writes it in order.
func (s *Spool) write(ctx context.Context) {
	defer close(s.done)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	come := func(yield func(pending, error) bool) {
		for {
			select {
			case p, ok := <-s.full:
				if !ok || !yield(p, nil) {
					return
				}
			case <-ctx.Done(): // said here, since contexts within this one may not know yet
				yield(pending{}, ctx.Err())
				return
			}
		}
	}
	for p, err := range corpus.Parallel(ctx, s.workers, come, s.compress) {
		if err != nil {
			s.err = err
			return
		}
		if _, err := s.file.WriteAt(p.data, s.size); err != nil {
			s.err = unwritten(err)
			cancel()
			return
		}
		p.offset, p.size = s.size, len(p.data)
		s.size += int64(p.size)
		s.raw += int64(p.raw)
		s.blocks = append(s.blocks, p.block)
		s.give(p.data)
	}
}

func (s *Spool) compress(p pending) (pending, error) {
	small := s.zip.EncodeAll(p.data, s.take())
	s.give(p.data)
	p.data = small
	return p, nil
}

// take is an empty buffer, give is for one that nobody uses any more.
func (s *Spool) take() []byte {
	if b, ok := s.spare.Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return nil
}

func (s *Spool) give(b []byte) { s.spare.Put(&b) }

// Wanted says of the documents from one ordinal to another, of which the sources are from one index to another, whether any is
// wanted: if not, they are not looked at.
type Wanted func(first, last int64, lowSource, highSource int) bool

// Docs reads the documents in their order, a block at a time, with several goroutines. wanted, when set, passes over blocks. see is
// called with every other document, from any goroutine, and may change it; those of which it says false are left out.
func (s *Spool) Docs(ctx context.Context, workers int, wanted Wanted, see func(*corpus.Doc) bool) iter.Seq2[[]corpus.Doc, error] {
	blocks := func(yield func(block, error) bool) {
		for _, b := range s.blocks {
			if wanted != nil && !wanted(b.first, b.last, b.sources[0], b.sources[1]) {
				continue
			}
			if !yield(b, nil) {
				return
			}
		}
	}
	return corpus.Parallel(ctx, workers, blocks, func(b block) ([]corpus.Doc, error) {
		small := s.take()
		defer func() { s.give(small) }()
		if cap(small) < b.size {
			small = make([]byte, b.size)
		}
		small = small[:b.size]
		if _, err := s.file.ReadAt(small, b.offset); err != nil {
			return nil, fmt.Errorf("%w: %d bytes at %d: %w", ErrDamaged, b.size, b.offset, err)
		}
		large, err := s.unzip.DecodeAll(small, make([]byte, 0, b.raw))
		if err != nil {
			return nil, fmt.Errorf("%w: %d bytes at %d: %w", ErrDamaged, b.size, b.offset, err)
		}
		docs, err := readDocs(string(large), b.documents, see)
		if err != nil {
			return nil, fmt.Errorf("%w: %d bytes at %d: %w", ErrDamaged, b.size, b.offset, err)
		}
		return docs, nil
	})
}

// temporary is a file that is gone with the process, on systems that let it.
type temporary struct {
	*os.File
	named string // to be removed on Close
}

func newTemporary(dir string) (*temporary, error) {
	f, err := os.CreateTemp(dir, "millrace-spool-*")
	if err != nil {
		return nil, unwritten(err)
	}
	t := &temporary{File: f}
	if err := os.Remove(f.Name()); err != nil {
		t.named = f.Name() // Windows: not while it is open
	}
	return t, nil
}

// Close closes and removes the file.
func (t *temporary) Close() error {
	err := t.File.Close()
	if t.named != "" {
		err = errors.Join(err, os.Remove(t.named))
	}
	return err
}

// unwritten says what to do about a file that cannot be written.
func unwritten(err error) error {
	return fmt.Errorf("spool: %w: the folder for temporary files (TMPDIR, or tmp of a node's data) takes the kept text, compressed", err)
}
