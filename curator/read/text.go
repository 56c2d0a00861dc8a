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

// binary is the drop of data with a NUL byte early on.
func binary(data []byte) *corpus.Why {
	if at := bytes.IndexByte(data[:min(len(data), binaryProbe)], 0); at >= 0 {
		return &corpus.Why{Reason: Binary, Value: float64(at)}
	}
	return nil
}

// cutText is for text: a file is a record, or has one between every two separators.
func cutText(c *cutter, in io.Reader) error {
	if sep := c.source.Separator; sep != "" {
		return c.split(in, sep, nil)
	}
	return c.whole(in)
}

func extractText(x *extractor, data []byte, d *corpus.Doc) *corpus.Why {
	if why := binary(data); why != nil && !(x.utf16 && clean.HasUTF16Mark(data)) {
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

// blockBytes is how much is read at once. Records are cut out of blocks, without a copy.
const blockBytes = 256 << 10

// split cuts a stream at every separator and emits each record that is neither empty nor skipped (which may be nil), holding
// no more than one that is too large.
func (c *cutter) split(in io.Reader, separator string, skip func(record []byte) bool) error {
	var (
		sep     = []byte(separator)
		block   = make([]byte, 0, blockBytes)
		start   int   // in block, of the record
		from    int   // in block, where a separator may begin
		skipped int64 // bytes of the record that were thrown away, it being too large
		number  int
	)
	finish := func(record []byte) error {
		number++
		size := skipped + int64(len(record))
		skipped = 0
		switch {
		case size > c.source.MaxBytes:
			return c.tooLarge(number, size)
		case len(record) == 0 || skip != nil && skip(record):
			return nil
		}
		return c.emit(Record{number: number, data: record})
	}
	for {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		if len(block) == cap(block) { // the records in it own it: go on in another
			rest := block[start:]
			size := max(blockBytes, 2*len(rest))
			block = append(make([]byte, 0, size), rest...)
			from -= start
			start = 0
		}
		n, err := in.Read(block[len(block):cap(block)])
		block = block[:len(block)+n]
		for {
			at := bytes.Index(block[from:], sep)
			if at < 0 {
				break
			}
			at += from
			next := at + len(sep)
			c.offset += int64(next-start) + skipped
			if err := finish(block[start:at:at]); err != nil {
				return err
			}
			start, from = next, next
		}
		from = max(from, len(block)-len(sep)+1)
		if keep := len(sep) - 1; int64(len(block)-start) > c.source.MaxBytes+int64(keep) || skipped > 0 && len(block)-start > keep {
			skipped += int64(len(block) - start - keep)
			start = len(block) - keep
			if start > blockBytes { // a large block is not for what is left
				block = append(make([]byte, 0, blockBytes), block[start:]...)
				start, from = 0, 0
			}
		}
		if errors.Is(err, io.EOF) {
			if rest := block[start:]; skipped > 0 || len(rest) > 0 {
				return finish(rest)
			}
			return nil
		}
		if err != nil {
			return err
		}
	}
}
