package node

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"

	"millrace/storage/s3embed"
)

// ServeS3 serves only the embedded object store of a data directory, until ctx ends. ready is told the endpoint.
func ServeS3(ctx context.Context, data, addr, accessKey, secretKey string, log *slog.Logger, ready func(endpoint string)) error {
	s, err := s3embed.Open(ctx, s3embed.Config{Dir: filepath.Join(data, "objects"), Addr: addr, AccessKey: accessKey, SecretKey: secretKey, Log: log})
	if err != nil {
		return err
	}
	ready(s.Endpoint())
	select {
	case <-ctx.Done():
		return s.Close()
	case <-s.Done():
		return errors.Join(errors.New("node: the S3 server ended by itself"), s.Close())
	}
}
