package read

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"strconv"

	"millrace/curator/corpus"
)

// Reading has two halves. Records cuts files into records, in order, in one goroutine, and does no more than that needs.
// Extract makes a document of a record, which is most of the work, in as many goroutines as there are.

// Record is a piece of a file that is to be a document. It owns its bytes.
type Record struct {
	// Source is the index of the recipe's source, Ordinal the position among all records, from 0.
	Source  int
	Ordinal int64
	format  *format
	path    string
	number  int    // of the record in a file with many, from 1; 0 when the file is one
	data    []byte // as the file has them
	url     string // what the file says beside the data
	license string
	table   *table      // of CSV
	warc    *warcHeader // of a WARC record
	drop    *corpus.Why // what was wrong with it
	dropped int64       // bytes, with drop
}

// Size is how many bytes the record holds.
func (r *Record) Size() int { return len(r.data) }

func (r *Record) id() string {
	if r.number == 0 {
		return r.path
	}
	return r.path + "#" + strconv.Itoa(r.number)
}

// Records cuts all files in order. done, when set, is told of the bytes on disk that have been read, as they are. An error
// ends the sequence; it wraps ErrSource.
func (l *Listing) Records(ctx context.Context, done func(bytes int64)) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		var ordinal int64
		for i := range l.Files {
			c := &cutter{ctx: ctx, file: &l.Files[i], source: &l.Sources[l.Files[i].Source], done: done}
			c.yield = func(r Record) bool {
				r.Source, r.Ordinal, r.path = c.file.Source, ordinal, c.file.Path
				ordinal++
				c.progress()
				return yield(r, nil)
			}
			err := ctx.Err()
			if err == nil {
				err = c.read(l)
			}
			switch {
			case errors.Is(err, errStop):
				return
			case err != nil:
				yield(Record{}, err)
				return
			}
			c.finish()
		}
	}
}

// Extract makes a document of a record of Records, or says why it is none. It gives the same whenever it is called, and any
// number of goroutines may call it.
func (l *Listing) Extract(r Record) (corpus.Doc, *corpus.Drop) {
	if r.drop != nil {
		return corpus.Doc{}, &corpus.Drop{Why: *r.drop, Source: r.Source, ID: r.id(), Bytes: r.dropped}
	}
	source := &l.Sources[r.Source]
	d := corpus.Doc{Source: r.Source, Ordinal: r.Ordinal, ID: r.id(), URL: r.url, License: r.license}
	if why := r.format.extract(&extractor{source: source, path: r.path, utf16: l.UTF16 && r.number == 0, table: r.table, warc: r.warc}, r.data, &d); why != nil {
		return corpus.Doc{}, &corpus.Drop{Why: *why, Source: r.Source, ID: d.ID, Bytes: int64(len(r.data))}
	}
	if d.License == "" {
		d.License = source.License
	}
	d.Seal()
	return d, nil
}

// Docs reads the documents of all files in order, by Records and Extract. dropped, when set, is told of files and records
// that are no documents. An error ends the sequence.
func (l *Listing) Docs(ctx context.Context, dropped func(corpus.Drop), done func(bytes int64)) iter.Seq2[corpus.Doc, error] {
	return func(yield func(corpus.Doc, error) bool) {
		for r, err := range l.Records(ctx, done) {
			if err != nil {
				yield(corpus.Doc{}, err)
				return
			}
			d, drop := l.Extract(r)
			switch {
			case drop == nil:
				if !yield(d, nil) {
					return
				}
			case dropped != nil:
				dropped(*drop)
			}
		}
	}
}

// errNoField says that a file lacks text_field.
var errNoField = errors.New("there is no text field")

// errStop says that the consumer has had enough.
var errStop = errors.New("stop")

// cutter cuts one file.
type cutter struct {
	ctx    context.Context
	source *Source
	file   *File
	format *format
	yield  func(Record) bool
	done   func(int64)
	at     io.ReaderAt // the file, when it is not packed
	// offset is how far the records go that were cut, in bytes of what the file unpacks to: what is before it is good.
	offset int64
	packed bool
	in     counter // bytes on disk that were read
	told   int64
}

// counter counts what is read.
type counter struct {
	io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	return n, err
}

// progressBytes is how often progress is told.
const progressBytes = 1 << 20

func (c *cutter) progress() {
	if n := min(c.in.n, c.file.Size) - c.told; c.done != nil && n >= progressBytes {
		c.told += n
		c.done(n)
	}
}

func (c *cutter) finish() {
	if c.done != nil && c.file.Size > c.told {
		c.done(c.file.Size - c.told)
	}
}

// read cuts the file. An error of the file itself becomes a drop where the source says so.
func (c *cutter) read(l *Listing) error {
	err := c.open(l)
	switch {
	case err == nil, errors.Is(err, errStop):
		return err
	case c.ctx.Err() != nil:
		return c.ctx.Err()
	case errors.Is(err, ErrChanged):
		return fmt.Errorf("%w %q: %s: %w: copy it to where nobody writes, and try again", ErrSource, c.source.Name, c.file.Path, err)
	case errors.Is(err, errNoField):
		return fmt.Errorf("%w %q: %s: %w; say text_field, or leave the file out with exclude", ErrSource, c.source.Name, c.file.Path, err)
	case c.source.OnError == Skip:
		return c.emit(Record{drop: &corpus.Why{Reason: Damaged, Value: float64(c.offset)}, dropped: c.file.Size - min(c.in.n, c.file.Size)})
	}
	where := "at byte"
	if c.packed {
		where = "unpacked to byte"
	}
	return fmt.Errorf("%w %q: %s, %s %d: %w: replace the file, leave it out with exclude, or say on_error: skip to keep what is before the fault",
		ErrSource, c.source.Name, c.file.Path, where, c.offset, err)
}

func (c *cutter) open(l *Listing) (err error) {
	f, err := l.open(c.ctx, c.file)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // read only: nothing to lose
	unchanged, err := watch(f)
	if err != nil {
		return err
	}
	c.format = c.source.formatOf(c.file.Path)
	c.at = f
	c.in.Reader = f
	in := io.Reader(&c.in)
	if c.format.unpack {
		u, packed, err := unpack(in)
		if err != nil {
			return err
		}
		defer u.Close()
		in, c.packed = u, packed
	}
	err = c.format.cut(c, in)
	if errors.Is(err, errStop) || c.ctx.Err() != nil {
		return err
	}
	return cmp.Or(unchanged(), err) // damage may be what somebody is writing
}

// watch gives a function that returns ErrChanged if the file was changed meanwhile, where that can be told.
func watch(f Opened) (func() error, error) {
	s, ok := f.(interface{ Stat() (fs.FileInfo, error) })
	if !ok {
		return func() error { return nil }, nil
	}
	before, err := s.Stat()
	return func() error {
		after, err := s.Stat()
		if err != nil {
			return err
		}
		if before.Size() != after.Size() || !before.ModTime().Equal(after.ModTime()) {
			return ErrChanged
		}
		return nil
	}, err
}

func (c *cutter) emit(r Record) error {
	if r.format == nil {
		r.format = c.format
	}
	if !c.yield(r) {
		return errStop
	}
	return nil
}

// refuse emits a record that is none.
func (c *cutter) refuse(number int, reason string, value, limit float64, size int64) error {
	return c.emit(Record{number: number, drop: &corpus.Why{Reason: reason, Value: value, Limit: limit}, dropped: size})
}

func (c *cutter) tooLarge(number int, size int64) error {
	return c.refuse(number, TooLarge, float64(size), float64(c.source.MaxBytes), size)
}

// extractor is what an extraction knows beside the record's bytes.
type extractor struct {
	source *Source
	path   string
	utf16  bool // a text of UTF-16 is read as it stands
	table  *table
	warc   *warcHeader
}
