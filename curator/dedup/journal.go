package dedup

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"

	"millrace/curator/corpus"
)

// journal is what a search remembers of its documents, in their order: an entry each in one file, and where that is, in 8
// bytes, in another.
type journal struct {
	entries, offsets *spillFile
	out, index       *bufio.Writer
	written          int64 // bytes of entries
	documents        uint32
	raw              []byte
}

func (j *journal) open(dir string) (err error) {
	if j.entries, err = newSpillFile(dir, "millrace-entries-*"); err != nil {
		return err
	}
	if j.offsets, err = newSpillFile(dir, "millrace-offsets-*"); err != nil {
		return err
	}
	j.out, j.index = bufio.NewWriterSize(j.entries, 256<<10), bufio.NewWriterSize(j.offsets, 64<<10)
	return nil
}

func (j *journal) Close() error { return closeAll(j.entries, j.offsets) }

// add is the next document, with the caller's note.
func (j *journal) add(d corpus.Doc, note []byte) error {
	if len(d.ID) > maxIDBytes {
		return fmt.Errorf("duplicate search: a document id of %d bytes: the limit is %d", len(d.ID), maxIDBytes)
	}
	if len(note) > maxNoteBytes {
		return fmt.Errorf("duplicate search: a note of %d bytes: the limit is %d", len(note), maxNoteBytes)
	}
	j.raw = binary.LittleEndian.AppendUint64(j.raw[:0], uint64(j.written))
	if _, err := j.index.Write(j.raw); err != nil {
		return err
	}
	j.raw = appendEntry(j.raw[:0], entry{d, int64(len(d.Text)), note})
	if _, err := j.out.Write(j.raw); err != nil {
		return err
	}
	j.written += int64(len(j.raw))
	j.documents++
	return nil
}

// finish is needed before anything is read.
func (j *journal) finish() error { return errors.Join(j.out.Flush(), j.index.Flush()) }

// all reads the entries in order.
func (j *journal) all() iter.Seq2[entry, error] {
	return func(yield func(entry, error) bool) {
		in := bufio.NewReaderSize(io.NewSectionReader(j.entries, 0, j.written), 256<<10)
		for range j.documents {
			e, err := readEntry(in)
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// at reads one entry.
func (j *journal) at(document uint32) (entry, error) {
	var raw [8]byte
	if _, err := j.offsets.ReadAt(raw[:], 8*int64(document)); err != nil {
		return entry{}, spoilt(err)
	}
	offset := binary.LittleEndian.Uint64(raw[:])
	if offset >= uint64(j.written) {
		return entry{}, spoilt(fmt.Errorf("an entry at %d of %d", offset, j.written))
	}
	return readEntry(bufio.NewReaderSize(io.NewSectionReader(j.entries, int64(offset), j.written-int64(offset)), 512))
}

// closeAll closes files, of which some may not have been made.
func closeAll(files ...*spillFile) error {
	var err error
	for _, f := range files {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
	}
	return err
}
