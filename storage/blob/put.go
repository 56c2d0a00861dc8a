package blob

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/minio/minio-go/v7"
	"golang.org/x/sync/errgroup"
)

const (
	// smallPut is up to which size in bytes an object is sent without asking
	// first whether it is there: one round trip instead of two.
	smallPut = 64 << 10
	// partsAtOnce is how many parts of one object are under way.
	partsAtOnce = 4
)

// Put stores b and returns when it is durable. Bytes that are already there
// are not sent again. b may be used again when Put returns.
func (s *Store) Put(ctx context.Context, b []byte) (Ref, error) {
	src, err := hashed(ctx, memory(b), int64(len(b)))
	if err != nil {
		return Ref{}, fmt.Errorf("blob: put: %w", err)
	}
	return src.ref, s.put(ctx, src)
}

// PutReader stores what r holds from where it stands: size bytes, or all of it
// when size is -1. It returns when they are durable. An r that ends elsewhere
// is io.ErrUnexpectedEOF. What can seek is read twice, and must not change
// meanwhile; what cannot is first copied into Config.TempDir, or into memory up
// to 1 MiB.
func (s *Store) PutReader(ctx context.Context, r io.Reader, size int64) (Ref, error) {
	at, n, done, err := s.rereadable(ctx, r, size)
	if err != nil {
		return Ref{}, fmt.Errorf("blob: put: read the source: %w", err)
	}
	defer done()
	src, err := hashed(ctx, at, n)
	if err != nil {
		return Ref{}, fmt.Errorf("blob: put: read the source: %w", err)
	}
	return src.ref, s.put(ctx, src)
}

// PutFile stores a file's content and returns when it is durable. The file must
// not change meanwhile.
func (s *Store) PutFile(ctx context.Context, path string) (Ref, error) {
	f, err := os.Open(path)
	if err != nil {
		return Ref{}, fmt.Errorf("blob: put: %w", err)
	}
	defer f.Close()
	ref, err := s.PutReader(ctx, f, -1)
	if err != nil {
		return Ref{}, fmt.Errorf("%w (file %s)", err, path)
	}
	return ref, nil
}

func (s *Store) put(ctx context.Context, src *source) error {
	op := fmt.Sprintf("put %s (%d bytes)", src.ref.Digest, src.ref.Size)
	key, err := s.key(src.ref.Digest)
	if err != nil {
		return err
	}
	if src.ref.Size > smallPut {
		present, err := s.present(ctx, op, key, src.ref.Size, src.freshness(s.cfg.Fresh))
		if present || err != nil {
			return err
		}
	}
	if src.parts == nil {
		return s.putWhole(ctx, op, key, src)
	}
	return s.putParts(ctx, op, key, src)
}

// sent is how every object is uploaded. The sha256 of the payload is in the
// signature, so the service refuses what was damaged on the way; it is given
// for every request, and DisableContentSha256 only keeps minio-go from
// replacing it by chunk signatures over plain http.
func sent() minio.PutObjectOptions {
	return minio.PutObjectOptions{ContentType: "application/octet-stream", DisableContentSha256: true}
}

func (s *Store) putWhole(ctx context.Context, op, key string, src *source) error {
	send := func(opts minio.PutObjectOptions, unless bool) (taken bool, err error) {
		err = s.retry(ctx, op, func() error {
			_, err := s.s3.PutObject(ctx, s.cfg.Bucket, key, src.section(0, src.ref.Size), src.ref.Size, "", src.ref.Digest.Hex(), opts)
			taken = code(err) == minio.PreconditionFailed || unless && code(err) == damaged
			if taken {
				return nil
			}
			return err
		})
		return taken, err
	}
	opts, unless := sent(), src.ref.Size <= smallPut
	if unless {
		opts.SetMatchETagExcept("*") // If-None-Match: *
	}
	taken, err := send(opts, unless)
	if err != nil || !taken {
		return err
	}
	present, err := s.present(ctx, op, key, src.ref.Size, src.freshness(s.cfg.Fresh))
	if present || err != nil {
		return err
	}
	_, err = send(sent(), false)
	return err
}

func (s *Store) putParts(ctx context.Context, op, key string, src *source) (err error) {
	var id string
	err = s.retry(ctx, op, func() (err error) {
		id, err = s.s3.NewMultipartUpload(ctx, s.cfg.Bucket, key, sent())
		return err
	})
	if err != nil {
		return err
	}
	defer func() {
		if err == nil {
			return
		}
		// The parts take room until they are given up. Their own time, since
		// ctx may be what ended the upload; nothing to do when it fails.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		_ = s.s3.AbortMultipartUpload(ctx, s.cfg.Bucket, key, id)
	}()

	parts := make([]minio.CompletePart, len(src.parts))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(partsAtOnce)
	for i, sum := range src.parts {
		g.Go(func() error {
			off := int64(i) * src.partSize
			n := min(src.partSize, src.ref.Size-off)
			return s.retry(gctx, op, func() error {
				p, err := s.s3.PutObjectPart(gctx, s.cfg.Bucket, key, id, i+1, src.section(off, n), n,
					minio.PutObjectPartOptions{Sha256Hex: sum, DisableContentSha256: true})
				parts[i] = minio.CompletePart{PartNumber: i + 1, ETag: p.ETag}
				return err
			})
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return s.retry(ctx, op, func() error {
		_, err := s.s3.CompleteMultipartUpload(ctx, s.cfg.Bucket, key, id, parts, minio.PutObjectOptions{})
		if code(err) == minio.NoSuchUpload {
			// The answer to an earlier attempt may have been lost.
			if yes, presentErr := s.present(ctx, op, key, src.ref.Size, s.cfg.Fresh); yes && presentErr == nil {
				return nil
			}
		}
		return err
	})
}

// present says whether a key has an object of the right size. One of another
// size cannot be what its name says, and is worth overwriting, as is one that
// the service cannot read. An old one is made young by a copy onto itself; where the service does not do that it is
// not present, and sent again.
func (s *Store) present(ctx context.Context, op, key string, size int64, fresh time.Duration) (yes bool, err error) {
	defer s.look(key)()
	err = s.retry(ctx, op, func() error {
		info, err := s.s3.StatObject(ctx, s.cfg.Bucket, key, minio.StatObjectOptions{})
		if minio.ToErrorResponse(err).StatusCode == http.StatusNotFound || code(err) == damaged {
			return nil
		}
		if yes = err == nil && info.Size == size; yes && time.Since(info.LastModified) > fresh {
			yes = s.touch(ctx, key) == nil
		}
		return err
	})
	return yes, err
}
