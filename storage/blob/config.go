package blob

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

const (
	defaultRegion   = "us-east-1"
	defaultMaxGet   = 1 << 30
	defaultRetryFor = 30 * time.Second
)

// Fresh is how old an object may be for a Put to leave it alone, unless Config
// says otherwise. Garbage is older than that.
const Fresh = 6 * time.Hour

// Config says which bucket a Store is. Endpoint, AccessKey, SecretKey and
// Bucket must be given.
type Config struct {
	// Endpoint is the S3 service: "http://host:port" or "https://host".
	Endpoint string
	// Region is what requests are signed for; "" is "us-east-1".
	Region string
	// AccessKey and SecretKey identify the caller. Printing a Config, or
	// encoding it as JSON, leaves the secret out.
	AccessKey string
	SecretKey string `json:"-"`
	// Bucket is created when it is missing.
	Bucket string
	// Prefix comes before every key, so that stores can share a bucket.
	Prefix string
	// CAFile is a PEM file of certificate authorities to trust beside the
	// system's, for https.
	CAFile string
	// SkipVerify accepts any certificate: anybody on the path can read the
	// bytes. For trying things out.
	SkipVerify bool
	// MaxGet is the largest object, in bytes, that Get returns; 0 is 1 GiB.
	MaxGet int64
	// RetryFor is how long transient faults of one request are retried; 0 is
	// 30 s, negative is not at all.
	RetryFor time.Duration
	// Fresh is how old an object may be for a Put of the same bytes to leave it
	// alone; an older one is made young again, so that no collection of garbage
	// takes it before it is named. 0 is the constant Fresh.
	Fresh time.Duration
	// PieceFrom is the size in bytes from which PutPieces makes a part a piece
	// of its own. 0 is the constant PieceFrom.
	PieceFrom int64
	// TempDir is where PutReader spools what cannot seek; "" is os.TempDir.
	TempDir string
	// Jitter returns a number in [0, 1) by which pauses between retries are
	// spread; nil is math/rand/v2.Float64.
	Jitter func() float64 `json:"-"`
}

// String is the Config without its secret.
func (c Config) String() string {
	return fmt.Sprintf("bucket %q prefix %q at %s as %q", c.Bucket, c.Prefix, c.Endpoint, c.AccessKey)
}

// GoString is String, so that %#v is no way around it.
func (c Config) GoString() string { return "blob.Config{" + c.String() + "}" }

// check fills in what was left out and returns the endpoint's host and whether
// it speaks TLS.
func (c *Config) check() (host string, secure bool, err error) {
	u, err := url.Parse(c.Endpoint)
	switch {
	case c.Endpoint == "":
		return "", false, errors.New("no endpoint given: set Endpoint to something like http://127.0.0.1:9000")
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return "", false, errors.New("the endpoint is not a URL like http://127.0.0.1:9000 or https://s3.example.com")
	case u.User != nil:
		return "", false, errors.New("the endpoint must not contain a user or password: set AccessKey and SecretKey")
	case u.Path != "" && u.Path != "/", u.RawQuery != "", u.Fragment != "":
		return "", false, fmt.Errorf("the endpoint %s://%s must end after the host: put the rest into Bucket and Prefix", u.Scheme, u.Host)
	case c.AccessKey == "" || c.SecretKey == "":
		return "", false, fmt.Errorf("no keys given for %s: set AccessKey and SecretKey", c.Endpoint)
	case c.Bucket == "":
		return "", false, errors.New("no bucket given: set Bucket")
	case strings.HasPrefix(c.Prefix, "/"), strings.Contains(c.Prefix, "//"), strings.Contains("/"+c.Prefix+"/", "/../"), strings.Contains("/"+c.Prefix+"/", "/./"), len(c.Prefix) > 512:
		return "", false, fmt.Errorf("the prefix %.80q is not a path like team/a/", c.Prefix)
	}
	c.Endpoint = u.Scheme + "://" + u.Host
	if c.Prefix != "" && !strings.HasSuffix(c.Prefix, "/") {
		c.Prefix += "/"
	}
	if c.Region == "" {
		c.Region = defaultRegion
	}
	if c.PieceFrom <= 0 {
		c.PieceFrom = PieceFrom
	}
	if c.Fresh <= 0 {
		c.Fresh = Fresh
	}
	if c.MaxGet <= 0 {
		c.MaxGet = defaultMaxGet
	}
	if c.RetryFor == 0 {
		c.RetryFor = defaultRetryFor
	}
	return u.Host, u.Scheme == "https", nil
}

// transport is the connection pool of one store.
func (c *Config) transport() (*http.Transport, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConns = 64
	t.MaxIdleConnsPerHost = 64
	t.DisableCompression = true // content is compared byte by byte
	// A server may fsync gigabytes between the last byte of a request and the
	// first of its answer.
	t.ResponseHeaderTimeout = 2 * time.Minute
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: c.SkipVerify}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read the certificate authorities: %w", err)
		}
		pool, err := x509.SystemCertPool()
		if err != nil {
			return nil, fmt.Errorf("read the system's certificate authorities: %w", err)
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s contains no certificate in PEM form", c.CAFile)
		}
		t.TLSClientConfig.RootCAs = pool
	}
	return t, nil
}
