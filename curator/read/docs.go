package read

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"

	"millrace/curator/clean"
	"millrace/curator/corpus"
)

// Docs reads the documents of all files in order. dropped, when set, is told of files and records that are no documents,
// done of the bytes on disk that have been read. An error ends the sequence.
func (l *Listing) Docs(ctx context.Context, dropped func(corpus.Drop), done func(bytes int64)) iter.Seq2[corpus.Doc, error] {
	return func(yield func(corpus.Doc, error) bool) {
		var ordinal int64
		for _, f := range l.Files {
			if err := ctx.Err(); err != nil {
				yield(corpus.Doc{}, err)
				return
			}
			r := reader{source: l.Sources[f.Source], file: f, dropped: dropped, ctx: ctx, utf16: l.UTF16,
				yield: func(d corpus.Doc) bool {
					d.Ordinal = ordinal
					ordinal++
					return yield(d, nil)
				}}
			err := r.read(l)
			if errors.Is(err, errStop) {
				return
			}
			if err != nil {
				yield(corpus.Doc{}, fmt.Errorf("%w %q: %s: %w", ErrSource, r.source.Name, f.Path, err))
				return
			}
			if done != nil {
				done(f.Size)
			}
		}
	}
}

// errStop says that the consumer has had enough.
var errStop = errors.New("stop")

// reader reads one file.
type reader struct {
	ctx     context.Context
	source  Source
	file    File
	dropped func(corpus.Drop)
	yield   func(corpus.Doc) bool
	utf16   bool
}

func (r *reader) drop(id, reason string, value, size int64) {
	if r.dropped != nil {
		r.dropped(corpus.Drop{Why: corpus.Why{Reason: reason, Value: float64(value), Limit: r.limit(reason)}, Source: r.file.Source, ID: id, Bytes: size})
	}
}

func (r *reader) limit(reason string) float64 {
	if reason == TooLarge {
		return float64(r.source.MaxBytes)
	}
	return 0
}

func (r *reader) emit(d corpus.Doc) error {
	if !r.yield(d) {
		return errStop
	}
	return nil
}

func (r *reader) read(l *Listing) error {
	f, err := l.roots[r.file.Source].Open(r.file.open)
	if err != nil {
		return err
	}
	defer f.Close() // read only: nothing to lose
	before, err := f.Stat()
	if err != nil {
		return err
	}
	if err := r.content(f); err != nil {
		return err
	}
	after, err := f.Stat()
	if err != nil {
		return err
	}
	if before.Size() != after.Size() || !before.ModTime().Equal(after.ModTime()) {
		return fmt.Errorf("%w: copy it to where nobody writes, and try again", ErrChanged)
	}
	return nil
}

// content reads an open file.
func (r *reader) content(f io.Reader) error {
	switch {
	case r.source.JSONL != "":
		in := bufio.NewReader(f)
		if magic, err := in.Peek(2); err == nil && magic[0] == 0x1f && magic[1] == 0x8b { // whatever it is called
			z, err := gzip.NewReader(in)
			if err != nil {
				return err
			}
			return r.records(z, "\n", r.line)
		}
		return r.records(in, "\n", r.line)
	case r.source.Separator != "":
		return r.records(f, r.source.Separator, func(id string, text []byte) error {
			return r.emit(corpus.New(r.file.Source, id, string(text)))
		})
	default:
		return r.whole(f)
	}
}

// binaryProbe is how far Binary looks, as git does.
const binaryProbe = 8000

// whole reads a file as one document.
func (r *reader) whole(f io.Reader) error {
	var b bytes.Buffer
	b.Grow(int(min(r.file.Size, r.source.MaxBytes)) + bytes.MinRead)
	if _, err := b.ReadFrom(io.LimitReader(f, r.source.MaxBytes+1)); err != nil {
		return err
	}
	data := b.Bytes()
	if int64(len(data)) > r.source.MaxBytes { // it has grown since it was listed
		r.drop(r.file.Path, TooLarge, int64(len(data)), int64(len(data)))
		return nil
	}
	if r.utf16 && clean.HasUTF16Mark(data) {
		return r.emit(corpus.New(r.file.Source, r.file.Path, string(data)))
	}
	if at := bytes.IndexByte(data[:min(len(data), binaryProbe)], 0); at >= 0 {
		r.drop(r.file.Path, Binary, int64(at), int64(len(data)))
		return nil
	}
	return r.emit(corpus.New(r.file.Source, r.file.Path, string(data)))
}

// records cuts a stream at every separator, holding no more than one record, and hands each that is not empty to take. A
// record above MaxBytes is dropped without being held.
func (r *reader) records(in io.Reader, separator string, take func(id string, text []byte) error) error {
	var (
		sep     = []byte(separator)
		buf     []byte
		skipped int64 // bytes of the current record that were thrown away, it being too large
		number  int
		chunk   = make([]byte, 64<<10)
	)
	finish := func(record []byte) error {
		number++
		size := skipped + int64(len(record))
		id := r.file.Path + "#" + strconv.Itoa(number)
		skipped = 0
		if size > r.source.MaxBytes {
			r.drop(id, TooLarge, size, size)
			return nil
		}
		if len(record) == 0 {
			return nil
		}
		if at := bytes.IndexByte(record[:min(len(record), binaryProbe)], 0); at >= 0 {
			r.drop(id, Binary, int64(at), size)
			return nil
		}
		return take(id, record)
	}
	for {
		if err := r.ctx.Err(); err != nil {
			return err
		}
		n, err := in.Read(chunk)
		from := max(0, len(buf)-len(sep)+1)
		buf = append(buf, chunk[:n]...)
		start := 0
		for {
			at := bytes.Index(buf[from:], sep)
			if at < 0 {
				break
			}
			if err := finish(buf[start : from+at]); err != nil {
				return err
			}
			start = from + at + len(sep)
			from = start
		}
		buf = append(buf[:0], buf[start:]...)
		if keep := len(sep) - 1; int64(len(buf)) > r.source.MaxBytes+int64(keep) || skipped > 0 && len(buf) > keep {
			skipped += int64(len(buf) - keep)
			buf = append(buf[:0], buf[len(buf)-keep:]...)
		}
		if errors.Is(err, io.EOF) {
			if skipped > 0 || len(buf) > 0 {
				return finish(buf)
			}
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// line reads a JSONL line.
func (r *reader) line(id string, line []byte) error {
	line = bytes.TrimSpace(line)
	if len(line) == 0 {
		return nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(line, &fields); err != nil {
		r.drop(id, NotJSON, int64(len(line)), int64(len(line)))
		return nil
	}
	var text *string
	if err := json.Unmarshal(fields[r.source.TextField], &text); err != nil || text == nil {
		r.drop(id, NoText, int64(len(line)), int64(len(line)))
		return nil
	}
	d := corpus.New(r.file.Source, id, *text)
	if url, ok := fields["url"]; ok {
		// A url of another type is no reason to lose the text.
		if err := json.Unmarshal(url, &d.URL); err != nil {
			d.URL = ""
		}
	}
	return r.emit(d)
}
