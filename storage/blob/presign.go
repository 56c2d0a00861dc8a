package blob

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	// maxPresignPut is how long a URL for an upload may be good.
	maxPresignPut = 15 * time.Minute
	// maxSinglePut is the largest object in bytes that S3 takes in one request.
	maxSinglePut = 5 << 30
)

// Upload is how anybody can PUT one object without keys, while it is good. It
// is a credential: do not log it.
type Upload struct {
	Method string
	URL    string
	// Headers must be sent as they are: they are signed.
	Headers map[string]string
	Expires time.Time
}

// PresignPut returns how to PUT the object d, of size bytes, for ttl, between
// 1 s and 15 minutes. The sha256 is a signed header, so the service refuses
// other bytes. One that is too large for a single request is ErrTooLarge: put
// it through PutAs. It is not checked whether the object is there already.
func (s *Store) PresignPut(ctx context.Context, d Digest, size int64, ttl time.Duration) (Upload, error) {
	key, err := s.key(d)
	if err != nil {
		return Upload{}, err
	}
	if ttl < time.Second || ttl > maxPresignPut {
		return Upload{}, fmt.Errorf("blob: presign %s for %s: it must be between 1s and %s", d, ttl, maxPresignPut)
	}
	if size < 0 || size > maxSinglePut {
		return Upload{}, fmt.Errorf("blob: presign %s: %d bytes, and one request takes %d: %w", d, size, int64(maxSinglePut), ErrTooLarge)
	}
	raw, err := hex.DecodeString(d.Hex())
	if err != nil {
		return Upload{}, err
	}
	sum := base64.StdEncoding.EncodeToString(raw)
	expires := time.Now().Add(ttl) // the URL's own clock is this one
	u, err := s.s3.PresignHeader(ctx, http.MethodPut, s.cfg.Bucket, key, ttl, nil, http.Header{"X-Amz-Checksum-Sha256": {sum}})
	if err != nil {
		return Upload{}, s.explain("presign "+string(d), err)
	}
	return Upload{Method: http.MethodPut, URL: u.String(), Headers: map[string]string{"x-amz-checksum-sha256": sum}, Expires: expires}, nil
}

// PutAs is PutReader for bytes whose digest is known: others are ErrCorrupt,
// and nothing is stored.
func (s *Store) PutAs(ctx context.Context, d Digest, r io.Reader, size int64) error {
	if _, err := s.key(d); err != nil {
		return err
	}
	at, n, done, err := s.rereadable(ctx, r, size)
	if err != nil {
		return fmt.Errorf("blob: put %s: read the source: %w", d, err)
	}
	defer done()
	src, err := hashed(ctx, at, n)
	if err != nil {
		return fmt.Errorf("blob: put %s: read the source: %w", d, err)
	}
	if src.ref.Digest != d {
		return fmt.Errorf("blob: put %s: %w: %d bytes came whose digest is %s", d, ErrCorrupt, n, src.ref.Digest)
	}
	return s.put(ctx, src)
}
