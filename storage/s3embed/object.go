package s3embed

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/rclone/gofakes3"
)

// maxPut is the largest body of one PUT, as on S3.
const maxPut = 5 << 30

// copyBuffer is how much is read from the network before it is written.
const copyBuffer = 256 << 10

// PutObject stores an object and returns when it is durable.
func (d *disk) PutObject(ctx context.Context, bucket, key string, headers map[string]string, input io.Reader, size int64) (gofakes3.PutObjectResult, error) {
	path, err := d.path(bucket, key)
	if err != nil {
		return gofakes3.PutObjectResult{}, err
	}
	f, err := d.temp()
	if err != nil {
		return gofakes3.PutObjectResult{}, d.fault(ctx, err)
	}
	defer discard(f)
	sum, _, err := receive(f, input, size)
	if err != nil {
		return gofakes3.PutObjectResult{}, d.fault(ctx, err)
	}
	err = d.publish(ctx, f, bucket, path, meta{ETag: sum, Headers: headers})
	return gofakes3.PutObjectResult{}, d.fault(ctx, err)
}

// discard ends the life of a temporary file. After publish its name is gone and
// its descriptor closed, and both calls fail harmlessly.
func discard(f *os.File) {
	f.Close()
	os.Remove(f.Name())
}

// receive copies a body of size bytes (-1: to its end) into f and returns its
// MD5 and length. A body of another length is gofakes3.ErrIncompleteBody.
func receive(f *os.File, input io.Reader, size int64) (sum []byte, n int64, err error) {
	if size > maxPut {
		return nil, 0, gofakes3.ErrEntityTooLarge
	}
	// The protocol library hashes what it hands over; hash only where it
	// does not, since MD5 is the slowest step of a PUT.
	type summer interface{ Sum(into []byte) []byte }
	hashed, ok := input.(summer)
	if !ok {
		h := md5.New()
		input = io.TeeReader(input, h)
		hashed = h
	}
	// The bare Writer keeps CopyBuffer from using ReadFrom, whose buffer is 32 KiB.
	buf := make([]byte, min(copyBuffer, max(size+1, 512)))
	if size < 0 {
		buf = make([]byte, copyBuffer)
	}
	n, err = io.CopyBuffer(struct{ io.Writer }{f}, io.LimitReader(input, maxPut+1), buf)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, n, gofakes3.ErrIncompleteBody
	case err != nil:
		return nil, n, err
	case size >= 0 && n != size:
		return nil, n, gofakes3.ErrIncompleteBody
	case n > maxPut:
		return nil, n, gofakes3.ErrEntityTooLarge
	}
	return hashed.Sum(nil), n, nil
}

// publish appends the trailer to f, which holds an object's bytes, and gives it
// its name. When it returns nil the object is durable; when it fails, what was
// stored under the name before is untouched. It closes f.
func (d *disk) publish(ctx context.Context, f *os.File, bucket, path string, m meta) error {
	trailer, err := appendTrailer(nil, m)
	if err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekEnd); err != nil {
		return err
	}
	if _, err := f.Write(trailer); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}

	lock := d.stripe(path)
	lock.Lock()
	defer lock.Unlock()
	if gofakes3.HasWriteConditions(ctx) {
		exists, etag := true, ""
		m, _, _, err := statObject(path)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, errTrailer): // what is damaged is no object, and replaced
			exists = false
		case err != nil:
			return err
		default:
			etag = hex.EncodeToString(m.ETag)
		}
		if err := gofakes3.CheckWriteConditions(ctx, exists, etag); err != nil {
			return err
		}
	}
	return d.rename(f.Name(), bucket, path)
}

// rename gives a finished file its name and makes the name durable. Another
// request may just be removing the emptied directory: then it is made again.
func (d *disk) rename(from, bucket, path string) error {
	dir := filepath.Dir(path)
	const attempts = 20
	for i := 0; ; i++ {
		if err := d.mkdirAll(d.bucket(bucket), dir); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return gofakes3.BucketNotFound(bucket) // deleted meanwhile
			}
			return err
		}
		err := os.Rename(from, path)
		if err == nil {
			return syncDir(dir)
		}
		if !errors.Is(err, fs.ErrNotExist) || i == attempts {
			return err
		}
		d.forget(dir)
	}
}

// stat describes the object in a file, after any write of it that is in progress.
func (d *disk) stat(path string) (m meta, size int64, at time.Time, err error) {
	lock := d.stripe(path)
	lock.RLock()
	defer lock.RUnlock()
	return statObject(path)
}

// statObject reads what is known of the object in a file: its metadata, its
// size in bytes, and when it was stored.
func statObject(path string) (m meta, size int64, at time.Time, err error) {
	f, m, size, at, err := openObject(path)
	if err != nil {
		return meta{}, 0, time.Time{}, err
	}
	return m, size, at, f.Close()
}

func openObject(path string) (f *os.File, m meta, size int64, at time.Time, err error) {
	f, err = os.Open(path)
	if err != nil {
		return nil, meta{}, 0, time.Time{}, err
	}
	info, err := f.Stat()
	if err == nil {
		m, size, err = readTrailer(f, info.Size())
	}
	if err != nil {
		f.Close()
		return nil, meta{}, 0, time.Time{}, fmt.Errorf("%s: %w", path, err)
	}
	return f, m, size, info.ModTime(), nil
}

// open finds a key's file, after any write of it that is in progress.
func (d *disk) open(ctx context.Context, bucket, key string) (*os.File, *gofakes3.Object, error) {
	path, err := d.path(bucket, key)
	if err != nil {
		return nil, nil, err
	}
	lock := d.stripe(path)
	lock.RLock()
	f, m, size, _, err := openObject(path)
	lock.RUnlock()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, gofakes3.KeyNotFound(key)
	}
	if err != nil {
		return nil, nil, d.fault(ctx, err)
	}
	return f, &gofakes3.Object{Name: key, Metadata: m.Headers, Size: size, Hash: m.ETag, PartSizes: m.Parts}, nil
}

// GetObject opens an object, or a range of it, for reading. The caller closes
// Contents. An overwrite meanwhile does not change what is read.
func (d *disk) GetObject(ctx context.Context, bucket, key string, want *gofakes3.ObjectRangeRequest) (*gofakes3.Object, error) {
	f, obj, err := d.open(ctx, bucket, key)
	if err != nil {
		return nil, err
	}
	obj.Range, err = want.Range(obj.Size)
	if err != nil {
		f.Close()
		return nil, err
	}
	from, n := int64(0), obj.Size
	if obj.Range != nil {
		from, n = obj.Range.Start, obj.Range.Length
	}
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		f.Close()
		return nil, err
	}
	obj.Contents = &contents{file: f, rest: io.LimitedReader{R: f, N: n}}
	return obj, nil
}

// HeadObject describes an object; its Contents are empty.
func (d *disk) HeadObject(ctx context.Context, bucket, key string) (*gofakes3.Object, error) {
	f, obj, err := d.open(ctx, bucket, key)
	if err != nil {
		return nil, err
	}
	obj.Contents = io.NopCloser(eof{})
	return obj, f.Close()
}

type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }

// contents are an object's bytes without the trailer.
type contents struct {
	file *os.File
	rest io.LimitedReader
}

func (c *contents) Read(p []byte) (int, error) { return c.rest.Read(p) }
func (c *contents) Close() error               { return c.file.Close() }

// WriteTo lets net/http use sendfile, which wants to see a LimitedReader of a
// file.
func (c *contents) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(w, &c.rest)
}

// CopyObject stores the bytes of one key under another with new metadata.
func (d *disk) CopyObject(ctx context.Context, srcBucket, srcKey, dstBucket, dstKey string, headers map[string]string) (gofakes3.CopyObjectResult, error) {
	src, obj, err := d.open(ctx, srcBucket, srcKey)
	if err != nil {
		return gofakes3.CopyObjectResult{}, err
	}
	defer src.Close()
	path, err := d.path(dstBucket, dstKey)
	if err != nil {
		return gofakes3.CopyObjectResult{}, err
	}
	f, err := d.temp()
	if err != nil {
		return gofakes3.CopyObjectResult{}, d.fault(ctx, err)
	}
	defer discard(f)
	if _, err := io.CopyN(f, src, obj.Size); err != nil {
		return gofakes3.CopyObjectResult{}, d.fault(ctx, err)
	}
	if err := d.publish(ctx, f, dstBucket, path, meta{ETag: obj.Hash, Headers: headers, Parts: obj.PartSizes}); err != nil {
		return gofakes3.CopyObjectResult{}, d.fault(ctx, err)
	}
	return gofakes3.CopyObjectResult{
		ETag:         `"` + hex.EncodeToString(obj.Hash) + `"`,
		LastModified: gofakes3.NewContentTime(d.now()),
	}, nil
}
