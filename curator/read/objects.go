package read

import (
	"context"
	"errors"
	"io"
	"iter"
)

// Objects is where sources of the form s3://bucket/prefix are read from. Errors about a bucket or an object that is not
// there wrap fs.ErrNotExist. Any number of goroutines may use it.
type Objects interface {
	// List yields the objects whose keys begin with prefix, in the order of their bytes. An error ends it.
	List(ctx context.Context, bucket, prefix string) iter.Seq2[Object, error]
	// Open reads an object, from its beginning or at an offset, until it is closed or ctx ends.
	Open(ctx context.Context, bucket, key string) (Opened, error)
}

// Object is one of a listing.
type Object struct {
	Key  string
	Size int64 // bytes
}

// Opened is a file or an object that is being read. Reading at an offset does not move Read on.
type Opened interface {
	io.Reader
	io.ReaderAt
	io.Closer
}

// errNoObjects says that nobody said where s3:// is.
var errNoObjects = errors.New("this worker has no S3 source configured: set its endpoint and credentials in the worker's configuration, or copy the objects into a folder")
