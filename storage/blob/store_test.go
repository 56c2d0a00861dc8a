package blob_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"millrace/storage/blob"
	"millrace/storage/blob/blobtest"
	"millrace/storage/s3embed"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testKey    = "test-key"
	testSecret = "wHat-nobody-may-see"
)

// serve starts an S3 server that ends with the test.
func serve(t testing.TB) *s3embed.Server {
	t.Helper()
	srv, err := s3embed.Open(t.Context(), s3embed.Config{Dir: t.TempDir(), AccessKey: testKey, SecretKey: testSecret})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, srv.Close()) })
	return srv
}

func config(endpoint string) blob.Config {
	return blob.Config{Endpoint: endpoint, AccessKey: testKey, SecretKey: testSecret, Bucket: "millrace", RetryFor: 5 * time.Second}
}

// connect opens a store that ends with the test.
func connect(t testing.TB, cfg blob.Config) *blob.Store {
	t.Helper()
	s, err := blob.Open(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func TestContract(t *testing.T) {
	srv := serve(t)
	blobtest.Run(t, func(t *testing.T) *blob.Store { return connect(t, config(srv.Endpoint())) })
}

func TestContractWithPrefix(t *testing.T) {
	srv := serve(t)
	blobtest.Run(t, func(t *testing.T) *blob.Store {
		cfg := config(srv.Endpoint())
		cfg.Prefix = "team/" + t.Name()
		return connect(t, cfg)
	})
}
