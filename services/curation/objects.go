package curation

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"

	"millrace/curator/read"
	"millrace/storage/blob"
)

// objects is what sources of the form s3:// are read from: every bucket of the worker's object store that the worker's keys
// may read. moved is told of bytes that came.
type objects struct {
	store *blob.Store
	moved func(bytes int64)
}

// List yields the objects below a prefix.
func (o objects) List(ctx context.Context, bucket, prefix string) iter.Seq2[read.Object, error] {
	return func(yield func(read.Object, error) bool) {
		for named, err := range o.store.ListNamed(ctx, bucket, prefix) {
			if !yield(read.Object{Key: named.Key, Size: named.Size}, missing(err)) {
				return
			}
		}
	}
}

// Open opens one.
func (o objects) Open(ctx context.Context, bucket, key string) (read.Opened, error) {
	opened, err := o.store.OpenNamed(ctx, bucket, key)
	if err != nil {
		return nil, missing(err)
	}
	return object{opened, o.moved}, nil
}

// object counts what is read of it.
type object struct {
	*blob.Object
	moved func(bytes int64)
}

func (o object) Read(p []byte) (int, error) {
	n, err := o.Object.Read(p)
	o.moved(int64(n))
	return n, missing(err)
}

func (o object) ReadAt(p []byte, off int64) (int, error) {
	n, err := o.Object.ReadAt(p, off)
	o.moved(int64(n))
	return n, missing(err)
}

// missing says in the words of package read what is wrong with an object.
func missing(err error) error {
	switch {
	case errors.Is(err, blob.ErrNotFound):
		return fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	case errors.Is(err, blob.ErrChanged):
		return fmt.Errorf("%w: %w", read.ErrChanged, err)
	}
	return err
}
