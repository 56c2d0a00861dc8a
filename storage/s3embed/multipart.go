package s3embed

import (
	"context"
	"crypto/md5"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/rclone/gofakes3"
)

const (
	// maxUploads bounds the uploads in progress, and with them memory.
	maxUploads = 10_000
	// uploadIdle is how long an upload may lie untouched before a new one
	// may take its place.
	uploadIdle = 24 * time.Hour
)

// uploads are the multipart uploads in progress. They end with the process.
type uploads struct {
	mu   sync.Mutex
	byID map[gofakes3.UploadID]*upload
	// forgotten tells the protocol library of an upload that was given up.
	forgotten func(u *upload)
}

// upload is one object arriving in parts, each a file in dir.
type upload struct {
	id          gofakes3.UploadID
	bucket, key string
	headers     map[string]string
	dir         string
	touched     time.Time // under uploads.mu

	mu    sync.Mutex
	parts map[int]part
	ended bool
}

type part struct {
	size int64
	md5  []byte
}

func (u *upload) path(n int) string { return filepath.Join(u.dir, fmt.Sprintf("part-%05d", n)) }

// end removes what has arrived. After it every part is refused.
func (u *upload) end() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.ended = true
	return os.RemoveAll(u.dir)
}

// CreateMultipartUpload begins an upload, and gives up those that nobody has
// touched for a day.
func (d *disk) CreateMultipartUpload(ctx context.Context, bucket, key string, headers map[string]string) (gofakes3.UploadID, error) {
	if _, err := d.path(bucket, key); err != nil {
		return "", err
	}
	if err := d.giveUpIdle(); err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp(d.tmp(), "upload-*")
	if err != nil {
		return "", d.fault(ctx, err)
	}
	u := &upload{id: gofakes3.UploadID(rand.Text()), bucket: bucket, key: key, headers: headers, dir: dir, parts: map[int]part{}}
	d.uploads.mu.Lock()
	defer d.uploads.mu.Unlock()
	if len(d.uploads.byID) >= maxUploads {
		os.Remove(dir)
		return "", gofakes3.ErrorMessagef(gofakes3.ErrSlowDown, "%d uploads are in progress", maxUploads)
	}
	u.touched = d.now()
	d.uploads.byID[u.id] = u
	return u.id, nil
}

func (d *disk) giveUpIdle() error {
	var idle []*upload
	d.uploads.mu.Lock()
	for id, u := range d.uploads.byID {
		if d.now().Sub(u.touched) > uploadIdle {
			idle = append(idle, u)
			delete(d.uploads.byID, id)
		}
	}
	d.uploads.mu.Unlock()
	var err error
	for _, u := range idle {
		err = errors.Join(err, u.end())
		d.uploads.forgotten(u)
	}
	return err
}

func (d *disk) upload(id gofakes3.UploadID, bucket, key string) (*upload, error) {
	d.uploads.mu.Lock()
	defer d.uploads.mu.Unlock()
	u := d.uploads.byID[id]
	if u == nil || u.bucket != bucket || u.key != key {
		return nil, gofakes3.ErrNoSuchUpload
	}
	u.touched = d.now()
	return u, nil
}

// UploadPart stores one part. It becomes durable with the whole object.
func (d *disk) UploadPart(ctx context.Context, bucket, key string, id gofakes3.UploadID, n int, size int64, body io.Reader) (string, error) {
	u, err := d.upload(id, bucket, key)
	if err != nil {
		return "", err
	}
	f, err := os.CreateTemp(u.dir, "arriving-*")
	if errors.Is(err, os.ErrNotExist) {
		return "", gofakes3.ErrNoSuchUpload // aborted meanwhile
	}
	if err != nil {
		return "", d.fault(ctx, err)
	}
	defer discard(f)
	sum, got, err := receive(f, body, size)
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		return "", d.fault(ctx, err)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.ended {
		return "", gofakes3.ErrNoSuchUpload
	}
	if err := os.Rename(f.Name(), u.path(n)); err != nil {
		return "", err
	}
	u.parts[n] = part{size: got, md5: sum}
	return `"` + hex.EncodeToString(sum) + `"`, nil
}

// CompleteMultipartUpload joins the parts that the client names into one
// object, durable when it returns. A failure leaves the upload as it was.
func (d *disk) CompleteMultipartUpload(ctx context.Context, bucket, key string, id gofakes3.UploadID, in *gofakes3.CompleteMultipartUploadRequest) (gofakes3.VersionID, string, error) {
	u, err := d.upload(id, bucket, key)
	if err != nil {
		return "", "", err
	}
	etag, err := d.join(ctx, u, in)
	if err != nil {
		return "", "", d.fault(ctx, err)
	}
	if err := d.drop(u); err != nil {
		return "", "", err
	}
	return "", `"` + hex.EncodeToString(etag) + `"`, nil
}

func (d *disk) join(ctx context.Context, u *upload, in *gofakes3.CompleteMultipartUploadRequest) (etag []byte, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.ended {
		return nil, gofakes3.ErrNoSuchUpload
	}
	if len(in.Parts) == 0 {
		return nil, gofakes3.ErrorMessage(gofakes3.ErrMalformedXML, "an upload needs at least one part")
	}
	path, err := d.path(u.bucket, u.key)
	if err != nil {
		return nil, err
	}
	f, err := d.temp()
	if err != nil {
		return nil, err
	}
	defer discard(f)
	h := md5.New()
	m := meta{Headers: u.headers}
	for i, named := range in.Parts {
		if i > 0 && named.PartNumber <= in.Parts[i-1].PartNumber {
			return nil, gofakes3.ErrInvalidPartOrder
		}
		p, ok := u.parts[named.PartNumber]
		if !ok || strings.Trim(named.ETag, `"`) != hex.EncodeToString(p.md5) {
			return nil, gofakes3.ErrorMessagef(gofakes3.ErrInvalidPart, "part %d was not uploaded, or with another ETag", named.PartNumber)
		}
		if err := appendFile(f, u.path(named.PartNumber), p.size); err != nil {
			return nil, err
		}
		h.Write(p.md5)
		m.Parts = append(m.Parts, p.size)
	}
	// S3 writes "-N" after the MD5 of the MD5s; what is shown here is hex of
	// this, which no client can take for the MD5 of the content either.
	m.ETag = binary.BigEndian.AppendUint32(h.Sum(nil), uint32(len(in.Parts)))
	return m.ETag, d.publish(ctx, f, u.bucket, path, m)
}

// appendFile copies a part to the end of f, inside the kernel where it can.
func appendFile(f *os.File, path string, size int64) error {
	p, err := os.Open(path)
	if err != nil {
		return err
	}
	defer p.Close()
	n, err := io.Copy(f, p)
	if err == nil && n != size {
		err = fmt.Errorf("%s has %d bytes and %d arrived", path, n, size)
	}
	return err
}

// AbortMultipartUpload forgets an upload and its parts.
func (d *disk) AbortMultipartUpload(_ context.Context, bucket, key string, id gofakes3.UploadID) error {
	u, err := d.upload(id, bucket, key)
	if err != nil {
		return err
	}
	return d.drop(u)
}

func (d *disk) drop(u *upload) error {
	if err := u.end(); err != nil {
		return err
	}
	d.uploads.mu.Lock()
	defer d.uploads.mu.Unlock()
	delete(d.uploads.byID, u.id)
	return nil
}
