package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

const (
	// multipartFrom is the size in bytes from which an object goes up in parts.
	multipartFrom = 64 << 20
	// minPartSize is the size of those parts, unless there would be too many.
	minPartSize = 32 << 20
	// maxParts is S3's limit on the number of parts.
	maxParts = 10_000
	// maxSize is S3's limit on the size of an object.
	maxSize = 5 << 40
	// spoolInMemory is how much PutReader keeps in memory of what cannot seek.
	spoolInMemory = 1 << 20
)

// source is what is uploaded: bytes that can be read again, from anywhere, and
// their digests.
type source struct {
	r        io.ReaderAt
	ref      Ref
	partSize int64
	parts    []string // hex sha256 of each part; nil for an object of one part
	// fresh is how old it may be to be left alone where it is there already; 0 is Config.Fresh.
	fresh time.Duration
}

func (s *source) freshness(usual time.Duration) time.Duration {
	if s.fresh > 0 {
		return s.fresh
	}
	return usual
}

func partSizeFor(size int64) int64 {
	if size < multipartFrom {
		return 0
	}
	// Whole MiB, so that no part is a few bytes over a power of two.
	const mib = 1 << 20
	return max(minPartSize, (size/maxParts/mib+1)*mib)
}

// hashed reads r once, from byte 0 to size, and computes every digest that the
// upload will need.
func hashed(ctx context.Context, r io.ReaderAt, size int64) (*source, error) {
	if size > maxSize {
		return nil, fmt.Errorf("%w: %d bytes, and S3 takes %d", ErrTooLarge, size, int64(maxSize))
	}
	s := &source{r: r, partSize: partSizeFor(size)}
	whole := sha256.New()
	step := s.partSize
	if step == 0 {
		step = max(size, 1)
	}
	for off := int64(0); off < size; off += step {
		part := sha256.New()
		w := io.Writer(whole)
		if s.partSize != 0 {
			w = io.MultiWriter(whole, part)
		}
		n := min(step, size-off)
		got, err := io.Copy(w, &ctxReader{ctx, io.NewSectionReader(r, off, n)})
		if err == nil && got != n {
			err = fmt.Errorf("it ends after %d bytes and should have %d: %w", off+got, size, io.ErrUnexpectedEOF)
		}
		if err != nil {
			return nil, err
		}
		if s.partSize != 0 {
			s.parts = append(s.parts, hex.EncodeToString(part.Sum(nil)))
		}
	}
	s.ref = Ref{digestOf([sha256.Size]byte(whole.Sum(nil))), size}
	return s, nil
}

// section is part of the source as a request body.
func (s *source) section(off, n int64) io.Reader {
	return io.NewSectionReader(&sourceReaderAt{s.r}, off, n)
}

// sourceReaderAt marks the faults of a source, so that they are not taken for
// faults of the network and retried.
type sourceReaderAt struct{ r io.ReaderAt }

func (s *sourceReaderAt) ReadAt(p []byte, off int64) (int, error) {
	n, err := s.r.ReadAt(p, off)
	if err != nil && err != io.EOF {
		err = &finalError{err}
	}
	return n, err
}

// ctxReader fails when its context ends.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *ctxReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(p)
}

// seekReaderAt reads a Seeker as if it were a ReaderAt that starts at base.
type seekReaderAt struct {
	mu   sync.Mutex
	r    io.ReadSeeker
	base int64
}

func (s *seekReaderAt) ReadAt(p []byte, off int64) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.r.Seek(s.base+off, io.SeekStart); err != nil {
		return 0, err
	}
	n, err := io.ReadFull(s.r, p)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	return n, err
}

// rereadable makes r readable more than once, from where it stands. size -1
// means to its end. done releases what that took.
func (s *Store) rereadable(ctx context.Context, r io.Reader, size int64) (at io.ReaderAt, n int64, done func(), err error) {
	done = func() {}
	if seeker, ok := r.(io.ReadSeeker); ok {
		base, err := seeker.Seek(0, io.SeekCurrent)
		if err == nil {
			end, err := seeker.Seek(0, io.SeekEnd)
			if err != nil {
				return nil, 0, done, err
			}
			if size < 0 {
				size = max(end-base, 0)
			}
			if readerAt, ok := r.(io.ReaderAt); ok {
				return io.NewSectionReader(readerAt, base, size), size, done, nil
			}
			return &seekReaderAt{r: seeker, base: base}, size, done, nil
		}
		// A pipe has Seek and cannot: spool it.
	}
	return s.spool(ctx, r, size)
}

// spool copies what cannot seek into memory, or if it is large into a file
// without a name.
func (s *Store) spool(ctx context.Context, r io.Reader, size int64) (at io.ReaderAt, n int64, done func(), err error) {
	done = func() {}
	limit := size
	if limit < 0 {
		limit = maxSize
	}
	r = io.LimitReader(&ctxReader{ctx, r}, limit+1)
	head := make([]byte, 0, 64<<10)
	for len(head) < spoolInMemory && err == nil {
		if len(head) == cap(head) {
			head = append(make([]byte, 0, 4*cap(head)), head...)
		}
		var k int
		k, err = r.Read(head[len(head):cap(head)])
		head = head[:len(head)+k]
	}
	var mem memory
	switch {
	case errors.Is(err, io.EOF):
		at, n = append(mem, head...), int64(len(head))
	case err != nil:
		return nil, 0, done, err
	default:
		f, err := os.CreateTemp(s.cfg.TempDir, "millrace-blob-*")
		if err != nil {
			return nil, 0, done, fmt.Errorf("spool to a temporary file: %w", err)
		}
		done = func() {
			f.Close()
			os.Remove(f.Name())
		}
		if _, err = f.Write(head); err == nil {
			n, err = io.Copy(f, r)
		}
		if err != nil {
			done()
			return nil, 0, func() {}, fmt.Errorf("spool to a temporary file: %w", err)
		}
		at, n = f, n+int64(len(head))
	}
	if size >= 0 && n != size {
		done()
		return nil, 0, func() {}, fmt.Errorf("it has %s bytes and should have %d: %w", atLeast(n, size), size, io.ErrUnexpectedEOF)
	}
	return at, n, done, nil
}

func atLeast(n, size int64) string {
	if n > size {
		return fmt.Sprintf("more than %d", size)
	}
	return fmt.Sprint(n)
}

// memory is a slice as a ReaderAt.
type memory []byte

func (m memory) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= int64(len(m)) {
		return 0, io.EOF
	}
	n := copy(p, m[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
