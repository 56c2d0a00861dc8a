package blob

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/minio/minio-go/v7"
)

// Get returns an object's bytes, checked. Larger objects than Config.MaxGet are
// ErrTooLarge: read them with Reader or Fetch.
func (s *Store) Get(ctx context.Context, d Digest) ([]byte, error) {
	r, err := s.open(ctx, d)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if r.length() > s.cfg.MaxGet {
		return nil, fmt.Errorf("blob: get %s: %w: %d bytes, and at most %d are allowed", d, ErrTooLarge, r.length(), s.cfg.MaxGet)
	}
	b := make([]byte, r.length())
	if _, err := io.ReadFull(r, b); err != nil && (len(b) > 0 || !errors.Is(err, io.EOF)) {
		return nil, err
	}
	return b, nil
}

// Reader returns an object's bytes as they arrive. They are checked at the end:
// a Reader whose object does not match its digest returns ErrCorrupt instead of
// its last bytes, so whoever has read it all, by length or to io.EOF, has read
// the right bytes; what was read before must not be trusted until then. A
// connection that breaks is taken up where it stopped. ctx covers the reading.
// The caller closes it.
func (s *Store) Reader(ctx context.Context, d Digest) (io.ReadCloser, error) {
	return s.open(ctx, d)
}

// download is an object on its way.
type download interface {
	io.ReadCloser
	length() int64
}

// open finds an object as a whole, or in pieces.
func (s *Store) open(ctx context.Context, d Digest) (download, error) {
	r, err := s.reader(ctx, d)
	if err == nil {
		return r, nil
	}
	if !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	list, _, none := s.list(ctx, d)
	switch {
	case errors.Is(none, ErrNotFound):
		return nil, err
	case none != nil:
		return nil, none
	}
	p, err := s.pieced(ctx, d, list)
	if err != nil {
		return nil, err
	}
	return p, nil
}

func (s *Store) reader(ctx context.Context, d Digest) (*reader, error) {
	key, err := s.key(d)
	if err != nil {
		return nil, err
	}
	r := &reader{ctx: ctx, store: s, digest: d, key: key, hash: sha256.New()}
	if err := r.connect(); err != nil {
		return nil, err
	}
	if r.size == 0 {
		r.err = r.verify()
		if !errors.Is(r.err, io.EOF) {
			r.Close()
			return nil, r.err
		}
	}
	return r, nil
}

// maxStalls is how many connections in a row may bring not one byte.
const maxStalls = 5

// reader is an object on its way, over as many connections as it takes.
type reader struct {
	ctx    context.Context
	store  *Store
	digest Digest
	key    string
	body   io.ReadCloser // nil between connections
	hash   hash.Hash
	off    int64 // bytes read so far
	size   int64
	stalls int
	err    error // what every further Read returns
	// unchecked leaves the comparison with the digest to somebody else.
	unchecked bool
}

func (r *reader) length() int64 { return r.size }

// fits is ErrCorrupt unless the object has so many bytes.
func (r *reader) fits(size int64) error {
	if r.size == size {
		return nil
	}
	return fmt.Errorf("blob: get %s: %w: it has %d bytes and should have %d", r.digest, ErrCorrupt, r.size, size)
}

func (r *reader) op() string { return "get " + string(r.digest) }

// connect asks for what is still missing.
func (r *reader) connect() error {
	return r.store.retry(r.ctx, r.op(), func() error {
		var opts minio.GetObjectOptions
		if r.off > 0 {
			if err := opts.SetRange(r.off, 0); err != nil {
				return err
			}
		}
		body, info, header, err := r.store.s3.GetObject(r.ctx, r.store.cfg.Bucket, r.key, opts)
		if err != nil {
			return err
		}
		if r.off > 0 && header.Get("Content-Range") == "" {
			body.Close()
			return &finalError{errors.New("the service cannot continue a broken download: it ignores Range")}
		}
		if info.Size < 0 {
			body.Close()
			return &finalError{errors.New("the service does not say how large the object is")}
		}
		if r.off == 0 {
			r.size = info.Size
		}
		r.body = body
		return nil
	})
}

// verify is io.EOF when every byte was right.
func (r *reader) verify() error {
	if r.unchecked {
		return io.EOF
	}
	if got := digestOf([sha256.Size]byte(r.hash.Sum(nil))); got != r.digest {
		return fmt.Errorf("blob: get %s: %w: %d bytes with digest %s in bucket %q at %s", r.digest, ErrCorrupt,
			r.off, got, r.store.cfg.Bucket, r.store.cfg.Endpoint)
	}
	return io.EOF
}

func (r *reader) Read(p []byte) (int, error) {
	if len(p) == 0 || r.err != nil {
		return 0, r.err
	}
	for {
		if r.body == nil {
			if r.err = r.connect(); r.err != nil {
				return 0, r.err
			}
		}
		n, err := r.body.Read(p[:min(int64(len(p)), r.size-r.off)])
		if !r.unchecked {
			r.hash.Write(p[:n])
		}
		r.off += int64(n)
		if r.off == r.size {
			if r.err = r.verify(); !errors.Is(r.err, io.EOF) {
				return 0, r.err
			}
			return n, nil
		}
		if n > 0 {
			r.stalls = 0
		}
		if err == nil {
			return n, nil
		}
		// Too early for an end: the connection broke.
		r.body.Close()
		r.body = nil
		if n > 0 {
			return n, nil
		}
		if ctxErr := r.ctx.Err(); ctxErr != nil {
			r.err = fmt.Errorf("blob: %s: %w", r.op(), context.Cause(r.ctx))
			return 0, r.err
		}
		if r.stalls++; r.stalls > maxStalls {
			r.err = fmt.Errorf("blob: %s: %w: %d connections in a row broke after byte %d of %d, the last with: %w",
				r.op(), ErrUnavailable, r.stalls, r.off, r.size, err)
			return 0, r.err
		}
	}
}

// Close ends the download.
func (r *reader) Close() error {
	if r.err == nil {
		r.err = fs.ErrClosed
	}
	if r.body == nil {
		return nil
	}
	body := r.body
	r.body = nil
	return body.Close()
}

// Fetch makes path a file with the object's bytes, checked. A file that already
// has them is left alone, and nothing is transferred; otherwise it appears in
// one rename, with mode 0644. It is not fsynced: a Fetch after power loss
// finds out.
func (s *Store) Fetch(ctx context.Context, d Digest, path string) error {
	if _, err := s.key(d); err != nil {
		return err
	}
	op := fmt.Sprintf("blob: fetch %s into %s", d, path)
	same, err := hasDigest(ctx, path, d)
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	if same {
		return nil
	}
	r, err := s.open(ctx, d)
	if err != nil {
		return err
	}
	defer r.Close()
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	defer os.Remove(f.Name()) // after the rename there is no such name
	defer f.Close()
	if _, err := io.CopyBuffer(struct{ io.Writer }{f}, r, make([]byte, 256<<10)); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	if err := f.Chmod(0o644); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	return nil
}

// hasDigest says whether path is a file with d's content; no file is no.
func hasDigest(ctx context.Context, path string, d Digest) (bool, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.CopyBuffer(h, &ctxReader{ctx, f}, make([]byte, 256<<10)); err != nil {
		return false, err
	}
	return digestOf([sha256.Size]byte(h.Sum(nil))) == d, nil
}
