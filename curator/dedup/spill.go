package dedup

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// A mark says that a document has a key. Documents with a key in common are near duplicates.
type mark struct {
	key      uint64
	document uint32 // number, from 0 in corpus order
}

func compareMarks(a, b mark) int {
	return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.document, b.document))
}

// markBytes is a mark on disk: the key and the document, little-endian.
const markBytes = 12

// run is a stretch of a file with marks in ascending order.
type run struct {
	offset int64
	marks  int64
}

// errSpill is wrapped by errors about temporary files that do not hold what was written.
var errSpill = errors.New("near-duplicate search: a temporary file was changed or damaged")

// unwritten says what to do about a temporary file that cannot be written.
func unwritten(err error) error {
	return fmt.Errorf("near-duplicate search: %w: it takes 350 to 500 bytes a document in the folder for temporary files (TMPDIR)", err)
}

// spillFile is a temporary file of a search. On systems that let one, it has no name any more: it is gone when the process
// is, however that ends.
type spillFile struct {
	*os.File
	named string // to be removed on Close
}

func newSpillFile(dir, name string) (*spillFile, error) {
	f, err := os.CreateTemp(dir, name)
	if err != nil {
		return nil, unwritten(err)
	}
	s := &spillFile{File: f}
	if err := os.Remove(f.Name()); err != nil {
		s.named = f.Name() // Windows: not while it is open
	}
	return s, nil
}

// Close closes and removes the file.
func (s *spillFile) Close() error {
	err := s.File.Close()
	if s.named != "" {
		err = errors.Join(err, os.Remove(s.named))
	}
	return err
}

// appendRun appends sorted marks to dst as they lie on disk.
func appendRun(dst []byte, marks []mark) []byte {
	for _, m := range marks {
		dst = binary.LittleEndian.AppendUint64(dst, m.key)
		dst = binary.LittleEndian.AppendUint32(dst, m.document)
	}
	return dst
}

// runReader reads the marks of a run. It believes nothing: a run that is cut off, out of order or of documents that there
// are not is an error.
type runReader struct {
	in        *bufio.Reader
	marks     int64
	read      int64
	documents uint32
	last      mark
}

// newRunReader holds buffer bytes of a run, of documents below the number given.
func newRunReader(file io.ReaderAt, r run, documents uint32, buffer int) *runReader {
	return &runReader{in: bufio.NewReaderSize(io.NewSectionReader(file, r.offset, r.marks*markBytes), buffer), marks: r.marks, documents: documents}
}

// next is the next mark; io.EOF after the last.
func (r *runReader) next() (mark, error) {
	if r.read == r.marks {
		return mark{}, io.EOF
	}
	var raw [markBytes]byte
	if _, err := io.ReadFull(r.in, raw[:]); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return mark{}, fmt.Errorf("%w: it ends after %d of %d marks", errSpill, r.read, r.marks)
		}
		return mark{}, err
	}
	m := mark{binary.LittleEndian.Uint64(raw[:]), binary.LittleEndian.Uint32(raw[8:])}
	if m.document >= r.documents || r.read > 0 && compareMarks(r.last, m) >= 0 {
		return mark{}, fmt.Errorf("%w: mark %d is out of order", errSpill, r.read)
	}
	r.read++
	r.last = m
	return m, nil
}
