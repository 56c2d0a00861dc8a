package blob

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/s3utils"
)

// Store is a bucket, or the part of one below a prefix, whose keys are
// digests. Its methods may be called concurrently.
type Store struct {
	cfg       Config
	s3        *minio.Core
	transport *http.Transport
	// looks keep apart, by digest, those who find an object present and one who removes it for its age.
	looks *[64]sync.Mutex
}

// Open connects to the bucket, which it creates when it is missing. A service
// that does not answer within Config.RetryFor is ErrUnavailable, keys that it
// refuses are ErrDenied.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	host, secure, err := cfg.check()
	if err != nil {
		return nil, fmt.Errorf("blob: %w", err)
	}
	if cfg.Jitter == nil {
		cfg.Jitter = rand.Float64
	}
	if err := s3utils.CheckValidBucketNameStrict(cfg.Bucket); err != nil {
		return nil, fmt.Errorf("blob: bucket %.80q: %w", cfg.Bucket, err)
	}
	transport, err := cfg.transport()
	if err != nil {
		return nil, fmt.Errorf("blob: %w", err)
	}
	core, err := minio.NewCore(host, &minio.Options{
		Creds:      credentials.NewStaticV4(cfg.AccessKey, cfg.SecretKey, ""),
		Secure:     secure,
		Region:     cfg.Region,
		Transport:  transport,
		MaxRetries: 1, // this package retries, within a bound of its own
	})
	if err != nil {
		return nil, fmt.Errorf("blob: endpoint %s: %w", cfg.Endpoint, err)
	}
	s := &Store{cfg: cfg, s3: core, transport: transport, looks: new([64]sync.Mutex)}
	if err := s.ensureBucket(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// ensureBucket asks for one key of the bucket rather than for its HEAD: the
// answer to a HEAD has no body that could tell a wrong secret from a missing
// permission.
func (s *Store) ensureBucket(ctx context.Context) error {
	op := fmt.Sprintf("open bucket %q", s.cfg.Bucket)
	missing := false
	look := func() error {
		missing = false
		for o := range s.s3.ListObjectsIter(ctx, s.cfg.Bucket, minio.ListObjectsOptions{Prefix: s.cfg.Prefix, MaxKeys: 1, Recursive: true}) {
			if missing = code(o.Err) == minio.NoSuchBucket; missing {
				return nil
			}
			return o.Err
		}
		return nil
	}
	if err := s.retry(ctx, op, look); err != nil || !missing {
		return err
	}
	err := s.retry(ctx, op, func() error {
		err := s.s3.MakeBucket(ctx, s.cfg.Bucket, minio.MakeBucketOptions{Region: s.cfg.Region})
		switch code(err) {
		case "BucketAlreadyOwnedByYou", "BucketAlreadyExists":
			return nil // somebody was faster, or it is another account's: see below
		}
		return err
	})
	if err != nil {
		return err
	}
	if err := s.retry(ctx, op, look); err != nil || !missing {
		return err
	}
	return fmt.Errorf("blob: %s: %s says that it was created and that it does not exist", op, s.cfg.Endpoint)
}

// key is where d lies in the bucket. A Digest that was not checked is an error
// here, before it reaches the network.
func (s *Store) key(d Digest) (string, error) {
	if _, err := ParseDigest(string(d)); err != nil {
		return "", err
	}
	return s.cfg.Prefix + d.Key(), nil
}

// Close closes idle connections. Reads in progress go on.
func (s *Store) Close() error {
	s.transport.CloseIdleConnections()
	return nil
}

// String names the bucket and the service, not the keys.
func (s *Store) String() string {
	return fmt.Sprintf("s3://%s/%s at %s", s.cfg.Bucket, s.cfg.Prefix, s.cfg.Endpoint)
}

// GoString is String, so that %#v does not show the keys.
func (s *Store) GoString() string { return "blob.Store{" + s.String() + "}" }
