package s3embed

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync/atomic"

	"github.com/rclone/gofakes3"
)

// checked wraps the protocol handler with what it lacks: the signed sha256 of
// a body is compared with the body, a full disk is told from a fault of the
// server (507, which no client retries, instead of 500), and so is a damaged
// file, by a code that HEAD has too.
func checked(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPut && r.Method != http.MethodPost {
			var damaged atomic.Bool
			next.ServeHTTP(&readWriter{w, &damaged}, r.WithContext(context.WithValue(r.Context(), damagedKey{}, &damaged)))
			return
		}
		// The protocol library closes the body before it answers; net/http
		// closes it itself.
		r.Body = io.NopCloser(r.Body)
		var full atomic.Bool
		r = r.WithContext(context.WithValue(r.Context(), fullKey{}, &full))
		if want, err := hex.DecodeString(r.Header.Get("X-Amz-Content-Sha256")); err == nil && len(want) == sha256.Size && r.ContentLength > 0 {
			r.Body = &verifiedBody{body: r.Body, left: r.ContentLength, want: want, hash: sha256.New()}
		}
		next.ServeHTTP(&statusWriter{w, r.Body, &full}, r)
	})
}

// maxDrain is how much of a refused body is read to its end, in bytes; the
// client of a longer one may find its connection reset instead of an answer.
const maxDrain = 64 << 20

// verifiedBody is a request body that ends in BadDigest unless its sha256 is
// the signed one.
type verifiedBody struct {
	body io.ReadCloser
	left int64 // bytes still to come
	want []byte
	hash hash.Hash
}

// Read compares with the last byte, not after it: the handler reads no further
// than the length that was announced.
func (b *verifiedBody) Read(p []byte) (int, error) {
	n, err := b.body.Read(p)
	b.hash.Write(p[:n])
	b.left -= int64(n)
	if n > 0 && b.left == 0 && !bytes.Equal(b.hash.Sum(nil), b.want) {
		return 0, gofakes3.ErrorMessage(gofakes3.ErrBadDigest, "the body is not the one whose sha256 was signed")
	}
	return n, err
}

func (b *verifiedBody) Close() error { return b.body.Close() }

// statusWriter answers 507 Insufficient Storage where the storage was full, and
// reads a refused body to its end before it answers: net/http closes the
// connection on a body that is still arriving, which resets it, and the client
// loses the answer.
type statusWriter struct {
	http.ResponseWriter
	body io.Reader
	full *atomic.Bool
}

func (w *statusWriter) WriteHeader(status int) {
	if status >= http.StatusBadRequest {
		_, _ = io.CopyN(io.Discard, w.body, maxDrain)
	}
	if status == http.StatusInternalServerError && w.full.Load() {
		status = http.StatusInsufficientStorage
	}
	w.ResponseWriter.WriteHeader(status)
}

// readWriter names what is wrong with a damaged object in a header, since the
// answer to a HEAD has no body. It can sendfile, as the bare ResponseWriter can.
type readWriter struct {
	http.ResponseWriter
	damaged *atomic.Bool
}

func (w *readWriter) WriteHeader(status int) {
	if status == http.StatusInternalServerError && w.damaged.Load() {
		w.Header().Set("X-Minio-Error-Code", string(errDamaged)) // where clients look for it
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *readWriter) ReadFrom(r io.Reader) (int64, error) { return io.Copy(w.ResponseWriter, r) }

// Unwrap is for http.ResponseController.
func (w *readWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// logger hands what the protocol library reports to slog. Only faults of the
// server and refused keys are worth a line.
type logger struct{ to *slog.Logger }

func (l logger) Print(level gofakes3.LogLevel, v ...any) {
	at := slog.LevelError
	switch level {
	case gofakes3.LogInfo:
		return
	case gofakes3.LogWarn:
		at = slog.LevelWarn
	}
	var line []any
	for _, x := range v {
		if u, ok := x.(*url.URL); ok {
			x = u.Path // the query of a presigned URL is a credential
		}
		line = append(line, x)
	}
	l.to.Log(context.Background(), at, "s3: "+fmt.Sprint(line...))
}

// ignoreClosed is nil for the error with which a server says that it was told
// to stop.
func ignoreClosed(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
