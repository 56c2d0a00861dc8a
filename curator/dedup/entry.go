package dedup

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"millrace/curator/corpus"
)

// An entry is what a search remembers of a document, on disk: the numbers as uvarints, the digest, the id and the note
// after their lengths.
type entry struct {
	doc  corpus.Doc // without text and URL
	size int64      // bytes of text
	note []byte     // the caller's
}

// maxIDBytes bounds an id. It is a path and a number, so a longer one is damage.
const maxIDBytes = 1 << 20

// maxNoteBytes bounds a note.
const maxNoteBytes = 64 << 10

func appendEntry(dst []byte, e entry) []byte {
	dst = binary.AppendUvarint(dst, uint64(e.doc.Source))
	dst = binary.AppendUvarint(dst, uint64(e.doc.Ordinal))
	dst = binary.AppendUvarint(dst, uint64(e.size))
	dst = append(dst, e.doc.Digest[:]...)
	dst = binary.AppendUvarint(dst, uint64(len(e.doc.ID)))
	dst = append(dst, e.doc.ID...)
	dst = binary.AppendUvarint(dst, uint64(len(e.note)))
	return append(dst, e.note...)
}

// readEntry reads one entry. A file that does not hold one is an error that wraps errSpill.
func readEntry(in *bufio.Reader) (entry, error) {
	var e entry
	var numbers [3]uint64
	for i := range numbers {
		n, err := binary.ReadUvarint(in)
		if err != nil {
			return e, spoilt(err)
		}
		numbers[i] = n
	}
	if numbers[0] > 1<<31-1 || numbers[1] > 1<<62 || numbers[2] > 1<<62 {
		return e, spoilt(errors.New("a number is out of range"))
	}
	e.doc.Source, e.doc.Ordinal, e.size = int(numbers[0]), int64(numbers[1]), int64(numbers[2])
	if _, err := io.ReadFull(in, e.doc.Digest[:]); err != nil {
		return e, spoilt(err)
	}
	id, err := readBytes(in, maxIDBytes)
	if err != nil {
		return e, spoilt(fmt.Errorf("id: %w", err))
	}
	e.doc.ID = string(id)
	if e.note, err = readBytes(in, maxNoteBytes); err != nil {
		return e, spoilt(fmt.Errorf("note: %w", err))
	}
	return e, nil
}

// readBytes reads bytes after their length. None is nil.
func readBytes(in *bufio.Reader, most uint64) ([]byte, error) {
	n, err := binary.ReadUvarint(in)
	if err != nil || n == 0 {
		return nil, err
	}
	if n > most {
		return nil, fmt.Errorf("%d bytes: the limit is %d", n, most)
	}
	b := make([]byte, n)
	_, err = io.ReadFull(in, b)
	return b, err
}
