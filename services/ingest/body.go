package ingest

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
)

var (
	bodies   = sync.Pool{New: func() any { return new(bytes.Buffer) }}
	unzipper sync.Pool
)

// body reads a request's body, at most max bytes when unpacked, and calls fn with it. The bytes are used again afterwards: fn keeps copies.
func (s *Server) body(w http.ResponseWriter, r *http.Request, max int64, fn func(b []byte) error) error {
	into := bodies.Get().(*bytes.Buffer)
	defer func() {
		if into.Cap() <= 1<<20 { // a large one is not worth its memory
			into.Reset()
			bodies.Put(into)
		}
	}()
	zipped := false
	var from io.Reader = http.MaxBytesReader(w, r.Body, max)
	switch encoding := strings.ToLower(r.Header.Get("Content-Encoding")); encoding {
	case "", "identity":
	case "gzip":
		z, _ := unzipper.Get().(*gzip.Reader)
		var err error
		if z == nil {
			z, err = gzip.NewReader(from)
		} else {
			err = z.Reset(from)
		}
		if err != nil {
			return notGzip(err)
		}
		defer unzipper.Put(z)
		from, zipped = z, true
	default:
		return invalid("a body with Content-Encoding %.40q; gzip or none is taken", encoding)
	}
	n, err := into.ReadFrom(io.LimitReader(from, max+1))
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &tooLong):
		return err
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum), isCorrupt(err):
		return notGzip(err)
	case zipped && errors.Is(err, io.ErrUnexpectedEOF):
		return notGzip(err)
	case err != nil:
		return &fault{code: codeUnavailable, message: fmt.Sprintf("the body broke off: %v", err), hint: "send it again"}
	case n > max:
		return &fault{code: codeTooLarge, message: fmt.Sprintf("the body has more than %d bytes when unpacked", max), hint: "send smaller batches"}
	}
	s.counts.Bytes.Add(n)
	return fn(into.Bytes())
}

func notGzip(err error) error {
	var tooLong *http.MaxBytesError
	if errors.As(err, &tooLong) {
		return err
	}
	return invalid("the body is not gzip, though its Content-Encoding says so: %v", err)
}

func isCorrupt(err error) bool {
	return err != nil && strings.HasPrefix(err.Error(), "flate: ")
}
