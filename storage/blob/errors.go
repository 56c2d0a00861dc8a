package blob

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/minio/minio-go/v7"
)

// Sentinels, to be compared with errors.Is.
var (
	// When something is asked for. What is corrupt stays so, since a Put of
	// bytes that seem to be there sends nothing: Delete it, then Put it again.
	ErrNotFound = errors.New("no such object")
	ErrCorrupt  = errors.New("the stored bytes do not match their digest")
	ErrTooLarge = errors.New("the object is larger than allowed")
	// ErrChanged: an Object is another than when it was opened.
	ErrChanged = errors.New("the object was changed while it was read")

	// When the service does not do as it is asked.
	ErrDenied      = errors.New("access denied")
	ErrUnavailable = errors.New("the object store does not answer")
	ErrFull        = errors.New("the object store has no room left")
)

// finalError is a fault that another attempt would meet again: of what is being
// uploaded, or of a service that cannot do what is needed.
type finalError struct{ err error }

func (e *finalError) Error() string { return e.err.Error() }
func (e *finalError) Unwrap() error { return e.err }

// transient says whether a request that failed with err may be sent again.
func transient(err error) bool {
	var final *finalError
	var unknownCA x509.UnknownAuthorityError
	var badHost x509.HostnameError
	var badCert *tls.CertificateVerificationError
	var notTLS tls.RecordHeaderError
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.As(err, &final):
		return false
	case errors.As(err, &unknownCA), errors.As(err, &badHost), errors.As(err, &badCert), errors.As(err, &notTLS):
		return false
	}
	var resp minio.ErrorResponse
	if !errors.As(err, &resp) {
		// No answer at all: connection refused, reset, timed out. What
		// minio-go itself refuses before sending is an ErrorResponse.
		return !strings.Contains(err.Error(), "server gave HTTP response to HTTPS client")
	}
	switch resp.Code {
	case damaged:
		return false
	case "BadDigest", "XAmzContentSHA256Mismatch", "IncompleteBody", // damaged on the way
		"RequestTimeout", "SlowDown", "SlowDownRead", "SlowDownWrite", "Throttling", "InternalError",
		"OperationAborted", "ConditionalRequestConflict":
		return true
	}
	switch resp.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, 499, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// explain turns what minio-go returned into an error of this package that says
// what was tried and what can be done.
func (s *Store) explain(op string, err error) error {
	var resp minio.ErrorResponse
	if !errors.As(err, &resp) {
		return fmt.Errorf("blob: %s: %w", op, err)
	}
	detail := resp.Code
	if msg := resp.Error(); msg != "" && msg != resp.Code {
		detail += ": " + msg
	}
	switch {
	case resp.Code == damaged:
		return fmt.Errorf("blob: %s: %w in bucket %q at %s: its file is cut short or damaged", op, ErrCorrupt, s.cfg.Bucket, s.cfg.Endpoint)
	case resp.Code == "RequestTimeTooSkewed":
		return fmt.Errorf("blob: %s: %w: %s says that this machine's clock is wrong: set the clock", op, ErrDenied, s.cfg.Endpoint)
	case resp.Code == "SignatureDoesNotMatch":
		return fmt.Errorf("blob: %s: %w: %s refused the access key %q (%s): the secret key is wrong", op, ErrDenied, s.cfg.Endpoint, s.cfg.AccessKey, resp.Code)
	case resp.Code == "InvalidAccessKeyId", resp.Code == "XAdminUserNotFound": // versitygw's word
		return fmt.Errorf("blob: %s: %w: %s does not know the access key %q (%s)", op, ErrDenied, s.cfg.Endpoint, s.cfg.AccessKey, resp.Code)
	case resp.StatusCode == http.StatusForbidden || resp.StatusCode == http.StatusUnauthorized || resp.Code == "AccessDenied":
		return fmt.Errorf("blob: %s: %w: %s refused the access key %q for bucket %q (%s): check the keys and what they may do", op, ErrDenied, s.cfg.Endpoint, s.cfg.AccessKey, s.cfg.Bucket, detail)
	case resp.StatusCode == http.StatusInsufficientStorage || resp.Code == "XMinioStorageFull":
		return fmt.Errorf("blob: %s: %w: %s (%s)", op, ErrFull, s.cfg.Endpoint, detail)
	case resp.Code == minio.NoSuchBucket:
		return fmt.Errorf("blob: %s: the bucket %q at %s is gone", op, s.cfg.Bucket, s.cfg.Endpoint)
	case resp.Code == minio.NoSuchKey || resp.Code == "NotFound":
		return fmt.Errorf("blob: %s: %w in bucket %q at %s", op, ErrNotFound, s.cfg.Bucket, s.cfg.Endpoint)
	}
	return fmt.Errorf("blob: %s: %s answered %d %s", op, s.cfg.Endpoint, resp.StatusCode, detail)
}

// damaged is what the embedded server calls an object whose file cannot be read.
const damaged = "XMillraceDamaged"

// code is the S3 error code in err, or "".
func code(err error) string {
	var resp minio.ErrorResponse
	errors.As(err, &resp)
	return resp.Code
}
