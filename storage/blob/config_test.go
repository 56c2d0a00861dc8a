package blob_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"millrace/storage/blob"
	"millrace/storage/s3embed"
)

func TestConfigIsChecked(t *testing.T) {
	good := config("http://127.0.0.1:1")
	for want, change := range map[string]func(*blob.Config){
		"set Endpoint":          func(c *blob.Config) { c.Endpoint = "" },
		"not a URL":             func(c *blob.Config) { c.Endpoint = "127.0.0.1:9000" },
		"like http://":          func(c *blob.Config) { c.Endpoint = "ftp://host" },
		"set AccessKey":         func(c *blob.Config) { c.AccessKey = "" },
		"and SecretKey":         func(c *blob.Config) { c.SecretKey = "" },
		"set Bucket":            func(c *blob.Config) { c.Bucket = "" },
		"bucket \"A_B\"":        func(c *blob.Config) { c.Bucket = "A_B" },
		"must not contain a":    func(c *blob.Config) { c.Endpoint = "http://user:" + testSecret + "@host" },
		"into Bucket":           func(c *blob.Config) { c.Endpoint = "http://host/bucket" },
		"the prefix \"/a\"":     func(c *blob.Config) { c.Prefix = "/a" },
		"the prefix \"a/../b\"": func(c *blob.Config) { c.Prefix = "a/../b" },
		"ca.pem":                func(c *blob.Config) { c.Endpoint = "https://host"; c.CAFile = "/missing/ca.pem" },
	} {
		cfg := good
		change(&cfg)
		_, err := blob.Open(t.Context(), cfg)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), testSecret)
	}
}

func TestDenied(t *testing.T) {
	srv := serve(t)
	cfg := config(srv.Endpoint())
	cfg.SecretKey = "another-" + testSecret
	_, err := blob.Open(t.Context(), cfg)
	require.ErrorIs(t, err, blob.ErrDenied)
	for _, part := range []string{srv.Endpoint(), testKey, "secret key is wrong"} {
		require.ErrorContains(t, err, part)
	}
	require.NotContains(t, err.Error(), testSecret)
	cfg.AccessKey = "somebody"
	_, err = blob.Open(t.Context(), cfg)
	require.ErrorIs(t, err, blob.ErrDenied)
	require.ErrorContains(t, err, `does not know the access key "somebody"`)
}

// TestSecretIsNotShown prints everything that can be printed.
func TestSecretIsNotShown(t *testing.T) {
	srv := serve(t)
	cfg := config(srv.Endpoint())
	s := connect(t, cfg)
	j, err := json.Marshal(cfg)
	require.NoError(t, err)
	shown := []string{string(j), s.String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		shown = append(shown, fmt.Sprintf(verb, cfg), fmt.Sprintf(verb, &cfg), fmt.Sprintf(verb, s), fmt.Sprintf(verb, struct{ C blob.Config }{cfg}))
	}
	require.NoError(t, srv.Close())
	cfg.RetryFor = -1
	for _, c := range []blob.Config{cfg, {Endpoint: srv.Endpoint(), SecretKey: testSecret}, {Endpoint: "http://" + testSecret + ":x@h/", SecretKey: testSecret}, {Endpoint: "http://h/%zz" + testSecret}} {
		_, err := blob.Open(t.Context(), c)
		require.Error(t, err)
		shown = append(shown, err.Error())
	}
	for _, text := range shown {
		require.NotContains(t, text, testSecret)
		require.NotContains(t, text, strings.ToLower(testSecret))
	}
}

// certificate makes a certificate for 127.0.0.1 that signs itself.
func certificate(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, path
}

func TestTLS(t *testing.T) {
	cert, ca := certificate(t)
	srv, err := s3embed.Open(t.Context(), s3embed.Config{Dir: t.TempDir(), AccessKey: testKey, SecretKey: testSecret,
		TLS: &tls.Config{Certificates: []tls.Certificate{cert}}})
	require.NoError(t, err)
	defer func() { require.NoError(t, srv.Close()) }()
	require.True(t, strings.HasPrefix(srv.Endpoint(), "https://"), srv.Endpoint())

	_, err = blob.Open(t.Context(), config(srv.Endpoint()))
	require.ErrorContains(t, err, "certificate")
	require.NotErrorIs(t, err, blob.ErrUnavailable, "waiting does not make a certificate valid")
	_, err = blob.Open(t.Context(), config("https://"+serve(t).Addr()))
	require.ErrorContains(t, err, "HTTP response to HTTPS client")
	require.NotErrorIs(t, err, blob.ErrUnavailable)
	_, err = blob.Open(t.Context(), config("http://"+srv.Addr()))
	require.ErrorContains(t, err, "HTTPS server")

	cfg := config(srv.Endpoint())
	cfg.CAFile = ca
	s := connect(t, cfg)
	ref, err := s.Put(t.Context(), []byte("over TLS"))
	require.NoError(t, err)
	b, err := s.Get(t.Context(), ref.Digest)
	require.NoError(t, err)
	require.Equal(t, "over TLS", string(b))

	cfg = config(srv.Endpoint())
	cfg.SkipVerify = true
	b, err = connect(t, cfg).Get(t.Context(), ref.Digest)
	require.NoError(t, err)
	require.Equal(t, "over TLS", string(b))

	cfg.CAFile = filepath.Join(t.TempDir(), "empty.pem")
	require.NoError(t, os.WriteFile(cfg.CAFile, []byte("nothing"), 0o600))
	_, err = blob.Open(t.Context(), cfg)
	require.ErrorContains(t, err, "no certificate")
}

// TestOpenAtOnce: processes that start together race to create the bucket.
func TestOpenAtOnce(t *testing.T) {
	srv := serve(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			s, err := blob.Open(t.Context(), config(srv.Endpoint()))
			if err != nil {
				t.Error(err)
				return
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// TestForeignRefusals: a 404 is not always an object that is missing.
func TestForeignRefusals(t *testing.T) {
	answer := ""
	endpoint := between(t, serve(t), func(w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, answer)
		return true
	})
	answer = "<Error><Code>XAdminUserNotFound</Code><Message>No user</Message></Error>"
	_, err := blob.Open(t.Context(), config(endpoint))
	require.ErrorIs(t, err, blob.ErrDenied)
	answer = "<Error><Code>NoSuchTenant</Code><Message>Unknown tenant</Message></Error>"
	_, err = blob.Open(t.Context(), config(endpoint))
	require.NotErrorIs(t, err, blob.ErrNotFound)
	require.ErrorContains(t, err, "NoSuchTenant: Unknown tenant")
}
