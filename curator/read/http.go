package read

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/zlib"
	"errors"
	"io"
	"net/http"
	"net/http/httputil"
	"net/textproto"
	"strconv"
	"strings"

	"millrace/curator/corpus"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/net/html/charset"
)

// answer is an archived HTTP response that is a page.
type answer struct {
	contentType string // in lower case
	body        []byte
}

// readAnswer reads an HTTP response as it came over the wire. Archives differ in what they undo of it: a body that is said
// to be in chunks or packed, and is not, is taken as it stands. One that is cut off is taken as far as it goes.
func readAnswer(block []byte, limit int64) (answer, *corpus.Why) {
	bad := &corpus.Why{Reason: BadHTTP, Value: float64(len(block))}
	in := textproto.NewReader(bufio.NewReader(bytes.NewReader(block)))
	line, err := in.ReadLine()
	if err != nil {
		return answer{}, bad
	}
	version, rest, _ := strings.Cut(line, " ")
	code, _, _ := strings.Cut(strings.TrimLeft(rest, " "), " ")
	status, err := strconv.Atoi(code)
	if err != nil || !strings.HasPrefix(version, "HTTP/") {
		return answer{}, bad
	}
	if status < 200 || status > 299 {
		return answer{}, &corpus.Why{Reason: NotOK, Value: float64(status)}
	}
	at := headerEnd(block)
	header := http.Header{}
	for _, line := range bytes.Split(block[:at], []byte("\n"))[1:] { // as browsers do: what is no field is passed over
		if name, value, ok := bytes.Cut(line, []byte(":")); ok {
			header.Add(textproto.CanonicalMIMEHeaderKey(string(bytes.TrimSpace(name))), string(bytes.TrimSpace(value)))
		}
	}
	a := answer{contentType: strings.ToLower(header.Get("Content-Type")), body: block[at:]}
	if strings.EqualFold(header.Get("Transfer-Encoding"), "chunked") {
		body, err := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(a.body)))
		if err == nil || len(body) > 0 {
			a.body = body
		}
	}
	encodings := strings.Split(header.Get("Content-Encoding"), ",")
	for i := len(encodings) - 1; i >= 0; i-- {
		in, err := decoder(strings.ToLower(strings.TrimSpace(encodings[i])), a.body)
		if err != nil {
			continue // it was undone
		}
		if in == nil {
			return answer{}, bad
		}
		body, err := io.ReadAll(io.LimitReader(in, limit+1))
		switch {
		case int64(len(body)) > limit:
			return answer{}, &corpus.Why{Reason: TooLarge, Value: float64(len(body)), Limit: float64(limit)}
		case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
			return answer{}, bad
		}
		a.body = body
	}
	return a, nil
}

// headerEnd is where the body begins.
func headerEnd(block []byte) int {
	end := len(block)
	if at := bytes.Index(block, []byte("\r\n\r\n")); at >= 0 {
		end = at + 4
	}
	if at := bytes.Index(block[:end], []byte("\n\n")); at >= 0 {
		end = at + 2
	}
	return end
}

// decoder undoes a content encoding; nil for one that nobody knows, and an error for a body that does not have it.
func decoder(encoding string, body []byte) (io.Reader, error) {
	in := bytes.NewReader(body)
	switch encoding {
	case "", "identity":
		return in, nil
	case "gzip", "x-gzip":
		return gzip.NewReader(in)
	case "deflate": // with zlib's frame or without: servers do both
		if z, err := zlib.NewReader(in); err == nil {
			return z, nil
		}
		return flate.NewReader(bytes.NewReader(body)), nil
	case "br":
		return brotli.NewReader(in), nil
	case "zstd":
		if len(body) < 4 || !isZstd(body[:4]) {
			return nil, errors.New("no zstd")
		}
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxZstdWindow))
		if err != nil {
			return nil, err
		}
		return z, nil
	}
	return nil, nil
}

func isHTML(contentType string) bool {
	t := mediaType(contentType)
	return t == "text/html" || t == "application/xhtml+xml"
}

func isPlain(contentType string) bool { return mediaType(contentType) == "text/plain" }

func mediaType(contentType string) string {
	t, _, _ := strings.Cut(contentType, ";")
	return strings.TrimSpace(t)
}

// sniff is the type of a body that came without one.
func sniff(body []byte) string { return http.DetectContentType(body) }

// decodeText makes UTF-8 of plain text where the server says what it is; the recipe's clean sees to the others.
func decodeText(body []byte, contentType string) string {
	if _, after, ok := strings.Cut(contentType, "charset="); ok {
		if e, name := charset.Lookup(strings.Trim(strings.TrimSpace(after), `"'`)); e != nil && name != "utf-8" {
			if text, err := e.NewDecoder().Bytes(body); err == nil {
				return string(text)
			}
		}
	}
	return string(body)
}
