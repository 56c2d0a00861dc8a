package read

import (
	"bytes"
	"errors"
	"io"

	"millrace/curator/clean"
	"millrace/curator/corpus"
)

// binaryProbe is how far Binary looks, as git does.
const binaryProbe = 8000

// binaryData is the drop of data with a NUL byte early on.
func binaryData(data []byte) *corpus.Why {
	if at := bytes.IndexByte(data[:min(len(data), binaryProbe)], 0); at >= 0 {
		return &corpus.Why{Reason: Binary, Value: float64(at)}
	}
	return nil
}

// cutText is for text: a file is a record, or has one between every two separators.
func cutText(c *cutter, in io.Reader) error {
	if sep := c.source.Separator; sep != "" {
		return c.split(in, splitter{find: separator(sep)})
	}
	return c.whole(in)
}

func extractText(x *extractor, data []byte, d *corpus.Doc) *corpus.Why {
	if why := binaryData(data); why != nil && !(x.utf16 && clean.HasUTF16Mark(data)) {
		return why
	}
	d.Text = string(data)
	return nil
}

// whole makes one record of a file.
func (c *cutter) whole(in io.Reader) error {
	limit := c.source.MaxBytes
	buf := make([]byte, 0, min(c.file.Size, limit)+bytes.MinRead)
	for {
		n, err := in.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if int64(len(buf)) > limit { // it has grown since it was listed, or was packed
			return c.tooLarge(0, int64(len(buf)))
		}
		switch {
		case errors.Is(err, io.EOF):
			return c.emit(Record{data: buf})
		case err != nil:
			return err
		case c.ctx.Err() != nil:
			return c.ctx.Err()
		case len(buf) == cap(buf):
			buf = append(make([]byte, 0, min(2*int64(cap(buf)), limit+bytes.MinRead)), buf...)
		}
	}
}

// splitter says where a stream is cut into records.
type splitter struct {
	// find finds the end of the record that data goes on with, and where the next begins; without an end (-1), how much of
	// data it need not see again.
	find func(data []byte) (end, next int)
	// skip, when set, passes over records that are none.
	skip func(record []byte) bool
	// eof, when set, says what is wrong with a stream that ends here.
	eof func() error
	// take, when set, makes something of a record before it is emitted, or nothing (false).
	take func(*Record) (bool, error)
}

func separator(sep string) func([]byte) (int, int) {
	s := []byte(sep)
	return func(data []byte) (int, int) {
		if at := bytes.Index(data, s); at >= 0 {
			return at, at + len(s)
		}
		return -1, max(0, len(data)-len(s)+1)
	}
}

// blockBytes is how much is read at once. Records are cut out of blocks, without a copy.
const blockBytes = 256 << 10

// split cuts a stream and emits each record that is not empty, holding no more than one that is too large.
func (c *cutter) split(in io.Reader, s splitter) error {
	var (
		block   = make([]byte, 0, blockBytes)
		start   int   // in block, of the record
		from    int   // in block, where its end may be
		skipped int64 // bytes of the record that were thrown away, it being too large
		number  int
		owned   bool // by records
	)
	finish := func(data []byte) error {
		number++
		size := skipped + int64(len(data))
		skipped = 0
		switch {
		case size > c.source.MaxBytes:
			return c.tooLarge(number, size)
		case len(data) == 0 || s.skip != nil && s.skip(data):
			return nil
		}
		r := Record{number: number, data: data}
		if s.take != nil {
			if ok, err := s.take(&r); !ok || err != nil {
				return err
			}
		}
		owned = true
		return c.emit(r)
	}
	for {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		if len(block) == cap(block) {
			rest := block[start:]
			if owned || 2*len(rest) > cap(block) { // by the records in it: go on in another
				block, owned = make([]byte, 0, max(blockBytes, 2*len(rest))), false
			}
			block = append(block[:0], rest...)
			from -= start
			start = 0
		}
		n, err := in.Read(block[len(block):cap(block)])
		block = block[:len(block)+n]
		for {
			end, next := s.find(block[from:])
			if end < 0 {
				from += next
				break
			}
			end, next = from+end, from+next
			size := skipped + int64(next-start)
			if err := finish(block[start:end:end]); err != nil {
				return err
			}
			c.offset += size
			start, from = next, next
		}
		if skipped > 0 || int64(from-start) > c.source.MaxBytes {
			skipped += int64(from - start)
			if start = from; start > blockBytes { // a large block is not for what is left
				block, owned = append(make([]byte, 0, blockBytes), block[start:]...), false
				start, from = 0, 0
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			if s.eof != nil {
				if err := s.eof(); err != nil {
					return err
				}
			}
			if rest := block[start:]; skipped > 0 || len(rest) > 0 {
				return finish(rest)
			}
			return nil
		case err != nil:
			return err
		}
	}
}
