package s3embed

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rclone/gofakes3"
)

// disk is the storage behind the protocol: buckets and objects as files of a
// directory.
//
// A name is changed (rename, remove) and made durable under its stripe's write
// lock, and looked up under the read lock: nobody is told of an object that
// power loss could still take back.
type disk struct {
	*directory
	now     func() time.Time
	stripes [256]sync.RWMutex
	uploads uploads
}

var (
	_ gofakes3.Backend          = (*disk)(nil)
	_ gofakes3.MultipartBackend = (*disk)(nil)
)

// keysDir holds a bucket's keys. The bucket's own directory holds nothing else,
// so that its modification time is the time of its creation.
func (d *disk) keysDir(bucket string) string { return filepath.Join(d.bucket(bucket), "keys") }

// path is the file of a key. The error is one that S3 knows.
func (d *disk) path(bucket, key string) (string, error) {
	if err := gofakes3.ValidateBucketName(bucket); err != nil {
		return "", err
	}
	rel, err := keyPath(key)
	switch {
	case errors.Is(err, errLongSegment):
		return "", gofakes3.ErrorMessagef(gofakes3.ErrKeyTooLong, "a segment of the key between two slashes may have %d bytes once escaped", maxSegment)
	case err != nil:
		return "", gofakes3.ErrorInvalidArgument("key", key, err.Error())
	}
	return filepath.Join(d.keysDir(bucket), rel), nil
}

func (d *disk) stripe(path string) *sync.RWMutex {
	h := fnv.New32a()
	h.Write([]byte(path)) // never fails
	return &d.stripes[h.Sum32()%uint32(len(d.stripes))]
}

// ListBuckets returns every bucket.
func (d *disk) ListBuckets(context.Context) ([]gofakes3.BucketInfo, error) {
	entries, err := os.ReadDir(d.buckets())
	if err != nil {
		return nil, err
	}
	var out []gofakes3.BucketInfo
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // deleted since
		}
		if err != nil {
			return nil, err
		}
		out = append(out, gofakes3.BucketInfo{Name: e.Name(), CreationDate: gofakes3.NewContentTime(info.ModTime())})
	}
	return out, nil
}

// CreateBucket returns when the bucket is durable.
func (d *disk) CreateBucket(ctx context.Context, name string) error {
	exists, err := d.BucketExists(ctx, name)
	if err != nil {
		return err
	}
	if exists {
		return gofakes3.ResourceError(gofakes3.ErrBucketAlreadyExists, name)
	}
	return d.fault(ctx, d.mkdirAll(d.buckets(), d.keysDir(name)))
}

// BucketExists looks at the disk each time: the answer is one stat.
func (d *disk) BucketExists(_ context.Context, name string) (bool, error) {
	if gofakes3.ValidateBucketName(name) != nil {
		return false, nil
	}
	_, err := os.Stat(d.keysDir(name))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// DeleteBucket removes an empty bucket.
func (d *disk) DeleteBucket(ctx context.Context, name string) error {
	exists, err := d.BucketExists(ctx, name)
	if err != nil {
		return err
	}
	if !exists {
		return gofakes3.BucketNotFound(name)
	}
	entries, err := os.ReadDir(d.keysDir(name))
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		return gofakes3.ResourceError(gofakes3.ErrBucketNotEmpty, name)
	}
	return d.prune(d.buckets(), d.keysDir(name))
}

// DeleteObject removes a key, durably. A key that is not there is no error.
func (d *disk) DeleteObject(ctx context.Context, bucket, key string) (gofakes3.ObjectDeleteResult, error) {
	path, err := d.path(bucket, key)
	if err != nil {
		return gofakes3.ObjectDeleteResult{}, err
	}
	return gofakes3.ObjectDeleteResult{}, d.fault(ctx, d.remove(bucket, path))
}

func (d *disk) remove(bucket, path string) error {
	lock := d.stripe(path)
	lock.Lock()
	defer lock.Unlock()
	err := os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	if err := syncDir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return d.prune(d.keysDir(bucket), dir)
}

// DeleteMulti removes keys one after the other and says of each how it went.
func (d *disk) DeleteMulti(ctx context.Context, bucket string, keys ...string) (gofakes3.MultiDeleteResult, error) {
	var out gofakes3.MultiDeleteResult
	for _, key := range keys {
		if _, err := d.DeleteObject(ctx, bucket, key); err != nil {
			r := gofakes3.ErrorResultFromError(err)
			r.Key = key
			out.Error = append(out.Error, r)
			continue
		}
		out.Deleted = append(out.Deleted, gofakes3.ObjectID{Key: key})
	}
	return out, nil
}

// errStorageFull is what MinIO calls it, so that clients know the word.
const errStorageFull gofakes3.ErrorCode = "XMinioStorageFull"

// fullKey finds, in a request's context, the flag that its storage is full: the
// protocol library knows no status for it, see statusWriter.
type fullKey struct{}

// errDamaged is the code of an object whose file is cut short or has a broken
// trailer. S3 has no word for it; storage/blob knows this one.
const errDamaged gofakes3.ErrorCode = "XMillraceDamaged"

// damagedKey finds, in a request's context, the flag that what it reads is
// damaged, see readWriter.
type damagedKey struct{}

// fault translates an error of the file system into one of S3.
func (d *disk) fault(ctx context.Context, err error) error {
	if errors.Is(err, errTrailer) {
		if damaged, ok := ctx.Value(damagedKey{}).(*atomic.Bool); ok {
			damaged.Store(true)
		}
		return gofakes3.ErrorMessage(errDamaged, err.Error())
	}
	if !isFull(err) {
		return err
	}
	if full, ok := ctx.Value(fullKey{}).(*atomic.Bool); ok {
		full.Store(true)
	}
	return gofakes3.ErrorMessage(errStorageFull, fmt.Sprintf("no room left in %s", d.root))
}
