package curator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"millrace/event"
)

// Dataset answers questions about a dataset from what is stored of it: Why and WhyText, Redecide, Text. Its methods are safe
// for concurrent use where Open is.
type Dataset struct {
	Manifest Manifest
	// Open reads a stored object from its beginning.
	Open func(ctx context.Context, digest event.Digest) (io.ReadCloser, error)
}

// OpenDataset reads the manifest of that digest. Errors: ErrManifest, wrapped, and open's.
func OpenDataset(ctx context.Context, digest event.Digest, open func(context.Context, event.Digest) (io.ReadCloser, error)) (Dataset, error) {
	d := Dataset{Open: open}
	raw, err := d.read(ctx, digest, maxManifestBytes)
	if err != nil {
		return Dataset{}, err
	}
	d.Manifest, err = ParseManifest(raw)
	return d, err
}

// ErrBlob is wrapped by errors about a stored object that is not what the manifest says.
var ErrBlob = errors.New("damaged object")

// maxGrown bounds what is held before anything is read; blobs of attributes are hardly larger.
const maxGrown = 16 << 20

// read reads an object of at most so many bytes, and checks its digest.
func (d Dataset) read(ctx context.Context, digest event.Digest, most int64) ([]byte, error) {
	in, err := d.Open(ctx, digest)
	if err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	if most <= maxGrown {
		buf.Grow(int(most) + bytes.MinRead)
	}
	_, err = buf.ReadFrom(io.LimitReader(in, most+1))
	if err = errors.Join(err, in.Close()); err != nil {
		return nil, err
	}
	data := buf.Bytes()
	if got := event.DigestOf(data); got != digest {
		return nil, fmt.Errorf("%w: %d bytes of %q are %q", ErrBlob, len(data), digest, got)
	}
	return data, nil
}
