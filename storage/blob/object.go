package blob

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
)

// Stat says how large an object is and when it was stored, or ErrNotFound.
func (s *Store) Stat(ctx context.Context, d Digest) (Info, error) {
	key, err := s.key(d)
	if err != nil {
		return Info{}, err
	}
	info, err := s.stat(ctx, d, key)
	if !errors.Is(err, ErrNotFound) {
		return info, err
	}
	p, at, none := s.list(ctx, d)
	switch {
	case errors.Is(none, ErrNotFound):
		return Info{}, err
	case none != nil:
		return Info{}, none
	}
	return Info{Ref{d, p.Size}, at}, nil
}

// stat looks at one key.
func (s *Store) stat(ctx context.Context, d Digest, key string) (Info, error) {
	var o minio.ObjectInfo
	err := s.retry(ctx, "stat "+string(d), func() (err error) {
		o, err = s.s3.StatObject(ctx, s.cfg.Bucket, key, minio.StatObjectOptions{})
		return err
	})
	if err != nil {
		return Info{}, err
	}
	return Info{Ref{d, o.Size}, o.LastModified}, nil
}

// Delete removes an object; of one in pieces the list, not the pieces. One that is not there is no error.
func (s *Store) Delete(ctx context.Context, d Digest) error {
	key, err := s.key(d)
	if err != nil {
		return err
	}
	list, err := s.listKey(d)
	if err != nil {
		return err
	}
	return errors.Join(s.remove(ctx, d, key), s.remove(ctx, d, list))
}

// remove removes one key.
func (s *Store) remove(ctx context.Context, d Digest, key string) error {
	err := s.retry(ctx, "delete "+string(d), func() error {
		return s.s3.RemoveObject(ctx, s.cfg.Bucket, key, minio.RemoveObjectOptions{})
	})
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// List yields every object of the store in the order of its digests, and of
// one in pieces these. Keys that are no digests are skipped. An error ends it.
func (s *Store) List(ctx context.Context) iter.Seq2[Info, error] { return s.listAll(ctx, digestDir) }

func (s *Store) listAll(ctx context.Context, dir string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		after := "" // the last key seen: a page that fails is asked for again from there
		for {
			more, err := s.listFrom(ctx, dir, &after, yield)
			if err != nil {
				yield(Info{}, err)
			}
			if !more {
				return
			}
		}
	}
}

// listFrom yields the objects whose keys come after *after, which it moves on.
// more says that a transient fault ended it when it had already made progress,
// so that the patience of retry begins anew.
func (s *Store) listFrom(ctx context.Context, dir string, after *string, yield func(Info, error) bool) (more bool, err error) {
	err = s.retry(ctx, "list", func() error {
		pages, cancel := context.WithCancel(ctx) // stops minio-go when the caller breaks
		defer cancel()
		moved := false
		for o := range s.s3.ListObjectsIter(pages, s.cfg.Bucket, minio.ListObjectsOptions{Prefix: s.cfg.Prefix + dir, Recursive: true, StartAfter: *after}) {
			if o.Err != nil {
				if more = moved && transient(o.Err) && ctx.Err() == nil; more {
					return nil
				}
				return o.Err
			}
			*after, moved = o.Key, true
			d, ok := digestOfKey(strings.TrimPrefix(o.Key, s.cfg.Prefix), dir)
			if ok && !yield(Info{Ref{d, o.Size}, o.LastModified}, nil) {
				return nil
			}
		}
		return ctx.Err()
	})
	return more, err
}

// Presign returns a URL with which anybody can GET the object for ttl, between
// 1 s and 7 days. The URL is a credential: do not log it. It is not checked
// whether the object exists.
func (s *Store) Presign(ctx context.Context, d Digest, ttl time.Duration) (string, error) {
	key, err := s.key(d)
	if err != nil {
		return "", err
	}
	const week = 7 * 24 * time.Hour
	if ttl < time.Second || ttl > week {
		return "", fmt.Errorf("blob: presign %s for %s: it must be between 1s and %s", d, ttl, week)
	}
	u, err := s.s3.PresignedGetObject(ctx, s.cfg.Bucket, key, ttl, nil)
	if err != nil {
		return "", s.explain("presign "+string(d), err)
	}
	return u.String(), nil
}
