package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"sync"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/s3utils"
)

// Named is an object of any bucket, under the key that somebody gave it.
type Named struct {
	Key  string
	Size int64 // bytes
}

// at is the store as if it were of another bucket, for requests and what errors say.
func (s *Store) at(bucket string) (*Store, error) {
	if err := s3utils.CheckValidBucketName(bucket); err != nil {
		return nil, fmt.Errorf("blob: bucket %.80q: %w", bucket, err)
	}
	other := *s
	other.cfg.Bucket = bucket
	return &other, nil
}

// ListNamed yields the objects of any bucket that this store's keys may read whose keys begin with prefix, in the order of
// their bytes. A bucket that does not exist is ErrNotFound. An error ends it.
func (s *Store) ListNamed(ctx context.Context, bucket, prefix string) iter.Seq2[Named, error] {
	return func(yield func(Named, error) bool) {
		other, err := s.at(bucket)
		if err != nil {
			yield(Named{}, err)
			return
		}
		after := ""
		for {
			more, err := other.listNamedFrom(ctx, prefix, &after, yield)
			if err != nil {
				yield(Named{}, err)
			}
			if !more {
				return
			}
		}
	}
}

// listNamedFrom is listFrom for any key.
func (s *Store) listNamedFrom(ctx context.Context, prefix string, after *string, yield func(Named, error) bool) (more bool, err error) {
	op := fmt.Sprintf("list s3://%s/%s", s.cfg.Bucket, prefix)
	err = s.retry(ctx, op, func() error {
		pages, cancel := context.WithCancel(ctx) // stops minio-go when the caller breaks
		defer cancel()
		moved := false
		for o := range s.s3.ListObjectsIter(pages, s.cfg.Bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true, StartAfter: *after}) {
			if o.Err != nil {
				if more = moved && transient(o.Err) && ctx.Err() == nil; more {
					return nil
				}
				return s.missingBucket(o.Err)
			}
			*after, moved = o.Key, true
			if !yield(Named{o.Key, o.Size}, nil) {
				return nil
			}
		}
		return ctx.Err()
	})
	return more, err
}

// missingBucket makes ErrNotFound of a bucket that does not exist; the store's own does, so that there it is another fault.
func (s *Store) missingBucket(err error) error {
	if code(err) == minio.NoSuchBucket {
		return &finalError{fmt.Errorf("%w: there is no bucket %q at %s", ErrNotFound, s.cfg.Bucket, s.cfg.Endpoint)}
	}
	return err
}

// OpenNamed opens an object of any bucket that this store's keys may read; ErrNotFound when it is not there. ctx covers the
// reading. The caller closes it.
func (s *Store) OpenNamed(ctx context.Context, bucket, key string) (*Object, error) {
	other, err := s.at(bucket)
	if err != nil {
		return nil, err
	}
	o := &Object{ctx: ctx, store: other, key: key}
	body, info, err := o.get(0, 0)
	if err != nil {
		return nil, err
	}
	o.body, o.size, o.etag = body, info.Size, info.ETag
	return o, nil
}

const (
	// blockSize is what ReadAt asks for at once, so that many small reads beside each other are one request.
	blockSize = 1 << 20
	// maxBlocks is how many of them are kept.
	maxBlocks = 8
)

// Object is an object that is being read: by Read from its beginning, over as many connections as it takes, and by ReadAt
// anywhere, at the same time. An object that somebody changed meanwhile is ErrChanged.
type Object struct {
	ctx   context.Context
	store *Store
	key   string
	size  int64
	etag  string

	// Of Read.
	body   io.ReadCloser // nil between connections
	off    int64
	stalls int
	err    error // what every further Read returns

	mu     sync.Mutex
	blocks []block // the newest last
}

type block struct {
	number int64
	data   []byte
}

// Size is in bytes.
func (o *Object) Size() int64 { return o.size }

func (o *Object) op() string { return fmt.Sprintf("read s3://%s/%s", o.store.cfg.Bucket, o.key) }

// get asks for the object from an offset, to its end or for n bytes. It sees that it is the same as before.
func (o *Object) get(from, n int64) (body io.ReadCloser, info minio.ObjectInfo, err error) {
	err = o.store.retry(o.ctx, o.op(), func() error {
		var opts minio.GetObjectOptions
		var err error
		switch {
		case n > 0:
			err = opts.SetRange(from, from+n-1)
		case from > 0:
			err = opts.SetRange(from, 0)
		}
		if err != nil {
			return err
		}
		got, gotInfo, header, err := o.store.s3.GetObject(o.ctx, o.store.cfg.Bucket, o.key, opts)
		if err != nil {
			return o.store.missingBucket(err)
		}
		switch {
		case (from > 0 || n > 0) && header.Get("Content-Range") == "":
			err = &finalError{errors.New("the service cannot read a part of an object: it ignores Range")}
		case gotInfo.Size < 0:
			err = &finalError{errors.New("the service does not say how large the object is")}
		case o.etag != "" && gotInfo.ETag != o.etag:
			err = &finalError{ErrChanged}
		}
		if err != nil {
			got.Close()
			return err
		}
		body, info = got, gotInfo
		return nil
	})
	return body, info, err
}

// connect asks for what Read has not had.
func (o *Object) connect() (err error) {
	o.body, _, err = o.get(o.off, 0)
	return err
}

func (o *Object) Read(p []byte) (int, error) {
	if len(p) == 0 || o.err != nil {
		return 0, o.err
	}
	for {
		if o.off == o.size {
			o.err = io.EOF
			return 0, io.EOF
		}
		if o.body == nil {
			if o.err = o.connect(); o.err != nil {
				return 0, o.err
			}
		}
		n, err := o.body.Read(p[:min(int64(len(p)), o.size-o.off)])
		o.off += int64(n)
		if err != nil && o.off < o.size { // too early for an end: the connection broke
			o.body.Close()
			o.body = nil
		}
		if n > 0 {
			o.stalls = 0
			return n, nil
		}
		if err == nil {
			continue
		}
		if o.ctx.Err() != nil {
			o.err = fmt.Errorf("blob: %s: %w", o.op(), context.Cause(o.ctx))
			return 0, o.err
		}
		if o.stalls++; o.stalls > maxStalls {
			o.err = fmt.Errorf("blob: %s: %w: %d connections in a row broke after byte %d of %d, the last with: %w",
				o.op(), ErrUnavailable, o.stalls, o.off, o.size, err)
			return 0, o.err
		}
	}
}

// ReadAt reads at an offset, as io.ReaderAt says. It may be called from several goroutines.
func (o *Object) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("blob: %s: offset %d", o.op(), off)
	}
	n := 0
	for n < len(p) && off+int64(n) < o.size {
		at := off + int64(n)
		if rest := min(int64(len(p)-n), o.size-at); at%blockSize == 0 && rest > blockSize { // too much to be kept
			rest -= rest % blockSize
			if err := o.fill(p[n:n+int(rest)], at); err != nil {
				return n, err
			}
			n += int(rest)
			continue
		}
		b, err := o.block(at / blockSize)
		if err != nil {
			return n, err
		}
		n += copy(p[n:], b[at%blockSize:])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// block returns a piece of blockSize, or what the object has of it.
func (o *Object) block(number int64) ([]byte, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i, b := range o.blocks {
		if b.number == number {
			copy(o.blocks[i:], o.blocks[i+1:])
			o.blocks[len(o.blocks)-1] = b
			return b.data, nil
		}
	}
	b := block{number, make([]byte, min(blockSize, o.size-number*blockSize))}
	if err := o.fill(b.data, number*blockSize); err != nil {
		return nil, err
	}
	if len(o.blocks) == maxBlocks {
		copy(o.blocks, o.blocks[1:])
		o.blocks = o.blocks[:maxBlocks-1]
	}
	o.blocks = append(o.blocks, b)
	return b.data, nil
}

// fill reads p from off; a connection that breaks is taken up where it stopped.
func (o *Object) fill(p []byte, off int64) error {
	stalls := 0
	for len(p) > 0 {
		body, _, err := o.get(off, int64(len(p)))
		if err != nil {
			return err
		}
		n, err := io.ReadFull(body, p)
		body.Close()
		p, off = p[n:], off+int64(n)
		if err == nil {
			return nil
		}
		if o.ctx.Err() != nil {
			return fmt.Errorf("blob: %s: %w", o.op(), context.Cause(o.ctx))
		}
		if n > 0 {
			stalls = 0
		}
		if stalls++; stalls > maxStalls {
			return fmt.Errorf("blob: %s: %w: %d connections in a row broke after byte %d of %d, the last with: %w", o.op(), ErrUnavailable, stalls, off, o.size, err)
		}
	}
	return nil
}

// Close ends the reading.
func (o *Object) Close() error {
	if o.err == nil {
		o.err = fs.ErrClosed
	}
	if o.body == nil {
		return nil
	}
	body := o.body
	o.body = nil
	return body.Close()
}
