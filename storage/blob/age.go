package blob

import (
	"context"
	"errors"
	"hash/maphash"
	"time"

	"github.com/minio/minio-go/v7"
)

var seed = maphash.MakeSeed()

// look takes a key's lock, and returns what gives it back.
func (s *Store) look(key string) (done func()) {
	l := &s.looks[maphash.String(seed, key)%uint64(len(s.looks))]
	l.Lock()
	return l.Unlock
}

// Refresh is Stat for one who is about to name an object that he has not stored himself: an old one is made young, as by a Put of the same
// bytes, so that a collection of garbage leaves it alone until it is named. ErrNotFound; ErrUnavailable also where the service cannot
// make it young.
func (s *Store) Refresh(ctx context.Context, d Digest) (Info, error) {
	key, err := s.key(d)
	if err != nil {
		return Info{}, err
	}
	info, err := s.refresh(ctx, d, key, s.cfg.Fresh)
	if !errors.Is(err, ErrNotFound) {
		return info, err
	}
	p, _, none := s.list(ctx, d)
	switch {
	case errors.Is(none, ErrNotFound):
		return Info{}, err
	case none != nil:
		return Info{}, none
	}
	return s.refreshPieces(ctx, d, p)
}

func (s *Store) refresh(ctx context.Context, d Digest, key string, fresh time.Duration) (Info, error) {
	defer s.look(key)()
	info, err := s.stat(ctx, d, key)
	if err != nil || time.Since(info.Modified) <= fresh {
		return info, err
	}
	err = s.retry(ctx, "refresh "+string(d), func() error { return s.touch(ctx, key) })
	if err != nil {
		return Info{}, err
	}
	info.Modified = time.Now()
	return info, nil
}

// DeleteOld removes an object unless it was stored after a time, and tells whether it did; ErrNotFound. No Put and no Refresh of this Store
// finds the object present between the question and the removal. By way of other processes one may, for a few milliseconds: S3 has no
// removal on a condition of age.
func (s *Store) DeleteOld(ctx context.Context, d Digest, before time.Time) (deleted bool, err error) {
	key, err := s.key(d)
	if err != nil {
		return false, err
	}
	return s.deleteOld(ctx, d, key, before)
}

func (s *Store) deleteOld(ctx context.Context, d Digest, key string, before time.Time) (deleted bool, err error) {
	defer s.look(key)()
	info, err := s.stat(ctx, d, key)
	if err != nil || info.Modified.After(before) {
		return false, err
	}
	return true, s.remove(ctx, d, key)
}

// touch makes an object young: the service copies it onto itself.
func (s *Store) touch(ctx context.Context, key string) error {
	_, err := s.s3.Client.CopyObject(ctx,
		minio.CopyDestOptions{Bucket: s.cfg.Bucket, Object: key, ReplaceMetadata: true, ContentType: "application/octet-stream"},
		minio.CopySrcOptions{Bucket: s.cfg.Bucket, Object: key})
	return err
}
