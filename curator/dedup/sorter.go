package dedup

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"sync"
)

// A record is something small that is sorted on disk. No two are equal.
type record[T any] interface {
	compare(T) int
	// append writes the record behind one that is not greater, which may save room; the first is behind the zero one.
	append(dst []byte, before T) []byte
	// next reads what append wrote behind this one: size is 0 when raw does not hold it whole.
	next(raw []byte) (after T, size int)
	// within tells whether the record can be of a search over so many documents.
	within(documents uint32) bool
}

// maxRecordBytes is the longest record on disk.
const maxRecordBytes = 32

// run is a stretch of a file with records in ascending order.
type run struct {
	offset, bytes, records int64
}

// sorter sorts more records than fit into memory. They come in parts that are sorted each by itself, so that several can
// be read at once.
type sorter[T record[T]] struct {
	file *spillFile
	mu   sync.Mutex
	runs [][]run // by part
	end  int64
}

func newSorter[T record[T]](dir, name string, parts int) (*sorter[T], error) {
	file, err := newSpillFile(dir, name)
	if err != nil {
		return nil, err
	}
	return &sorter[T]{file: file, runs: make([][]run, parts)}, nil
}

// Close removes the file. A nil sorter has none.
func (s *sorter[T]) Close() error {
	if s == nil {
		return nil
	}
	return s.file.Close()
}

// spill sorts records of a part and writes them as a run; it may use and returns raw. Any number of goroutines may call it.
func (s *sorter[T]) spill(part int, list []T, raw []byte) ([]byte, error) {
	if len(list) == 0 {
		return raw, nil
	}
	slices.SortFunc(list, T.compare)
	raw = appendRun(raw[:0], list)
	r := run{bytes: int64(len(raw)), records: int64(len(list))}
	s.mu.Lock()
	r.offset = s.end
	s.end += r.bytes
	s.runs[part] = append(s.runs[part], r)
	s.mu.Unlock()
	_, err := s.file.WriteAt(raw, r.offset)
	return raw, err
}

// appendRun appends sorted records to dst as they lie on disk.
func appendRun[T record[T]](dst []byte, list []T) []byte {
	var before T
	for _, r := range list {
		dst = r.append(dst, before)
		before = r
	}
	return dst
}

// merged is a part in ascending order, of documents below the number given. It holds about memory bytes, or 4 KiB for each
// run if that is more.
func (s *sorter[T]) merged(ctx context.Context, part int, documents uint32, memory int64) iter.Seq2[T, error] {
	runs := s.runs[part]
	buffer := min(max(memory/int64(max(1, len(runs))), 4<<10), 256<<10)
	readers := make([]*runReader[T], len(runs))
	for i, r := range runs {
		readers[i] = newRunReader[T](s.file, r, documents, int(min(buffer, r.bytes)))
	}
	return merge(ctx, readers)
}

// runReader reads the records of a run. It believes nothing: a run that is cut off, out of order or of documents that there
// are not is an error.
type runReader[T record[T]] struct {
	in        *bufio.Reader
	records   int64
	read      int64
	documents uint32
	last      T
}

// newRunReader holds buffer bytes of a run.
func newRunReader[T record[T]](file io.ReaderAt, r run, documents uint32, buffer int) *runReader[T] {
	in := bufio.NewReaderSize(io.NewSectionReader(file, r.offset, r.bytes), max(buffer, maxRecordBytes))
	return &runReader[T]{in: in, records: r.records, documents: documents}
}

// next is the next record; io.EOF after the last.
func (r *runReader[T]) next() (T, error) {
	var none T
	if r.read == r.records {
		return none, io.EOF
	}
	raw, err := r.in.Peek(maxRecordBytes)
	if err != nil && !errors.Is(err, io.EOF) {
		return none, err
	}
	m, size := r.last.next(raw)
	if size == 0 {
		return none, fmt.Errorf("%w: it ends after %d of %d records", errSpill, r.read, r.records)
	}
	if !m.within(r.documents) || r.read > 0 && r.last.compare(m) >= 0 {
		return none, fmt.Errorf("%w: record %d is out of order", errSpill, r.read)
	}
	if _, err := r.in.Discard(size); err != nil {
		return none, err
	}
	r.read++
	r.last = m
	return m, nil
}

// merge joins runs into one ascending sequence, holding a record of each. An error of any, or of ctx, ends it.
func merge[T record[T]](ctx context.Context, runs []*runReader[T]) iter.Seq2[T, error] {
	type cursor struct {
		record T
		run    *runReader[T]
	}
	return func(yield func(T, error) bool) {
		var none T
		var heap []cursor // the least first, and each before those at 2i+1 and 2i+2
		for _, r := range runs {
			m, err := r.next()
			if err == nil {
				heap = append(heap, cursor{m, r})
			} else if !errors.Is(err, io.EOF) {
				yield(none, err)
				return
			}
		}
		slices.SortFunc(heap, func(a, b cursor) int { return a.record.compare(b.record) })
		for n := 1; len(heap) > 0; n++ {
			if n%4096 == 0 && ctx.Err() != nil {
				yield(none, ctx.Err())
				return
			}
			if !yield(heap[0].record, nil) {
				return
			}
			m, err := heap[0].run.next()
			if err == nil {
				heap[0].record = m
			} else if errors.Is(err, io.EOF) {
				heap[0] = heap[len(heap)-1]
				heap = heap[:len(heap)-1]
			} else {
				yield(none, err)
				return
			}
			for i := 0; ; {
				least := i
				for _, child := range [...]int{2*i + 1, 2*i + 2} {
					if child < len(heap) && heap[child].record.compare(heap[least].record) < 0 {
						least = child
					}
				}
				if least == i {
					break
				}
				heap[i], heap[least] = heap[least], heap[i]
				i = least
			}
		}
	}
}

// bytes is how much was written.
func (s *sorter[T]) bytes() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.end
}

// empty gives the room on disk back.
func (s *sorter[T]) empty() error {
	if err := s.file.Truncate(0); err != nil {
		return noRoom(s.file.dir, err)
	}
	clear(s.runs)
	return nil
}
