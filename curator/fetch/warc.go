package fetch

import (
	"bytes"
	"compress/gzip"
	"crypto/sha1" //nolint:gosec // what WARC tools check; the part itself is named by its sha256
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// archive writes WARC 1.1 (ISO 28500:2017) into parts, every record a gzip member of its own: a warcinfo first, then for each
// page its request and its response.
type archive struct {
	dir   string
	crawl Crawl
	now   func() time.Time
	f     *os.File // nil between parts
	part  int      // the current or the next
	end   int64    // of the current part
	dirty bool
}

func partName(n int) string { return fmt.Sprintf("%05d.warc.gz", n) }

// PartName is the name of a crawl's n-th part, from 0.
func (Crawl) PartName(n int) string { return partName(n) }

// resume opens the part that has been written up to end; what a crash left behind that is cut off.
func (a *archive) resume(part int, end int64) error {
	path := filepath.Join(a.dir, partName(part))
	f, err := os.OpenFile(path, os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("fetch: %w: %w: remove its folder to begin again", ErrDamaged, err)
	}
	info, err := f.Stat()
	if err == nil && info.Size() < end {
		err = fmt.Errorf("%w: it has %d bytes and should have %d: remove its folder to begin again", ErrDamaged, info.Size(), end)
	}
	if err == nil {
		err = f.Truncate(end)
	}
	if err == nil {
		_, err = f.Seek(end, io.SeekStart)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("fetch: %s: %w", path, err), f.Close())
	}
	a.f, a.part, a.end = f, part, end
	return nil
}

// begin makes the next part.
func (a *archive) begin() error {
	path := filepath.Join(a.dir, partName(a.part))
	f, err := os.Create(path) // one that a crash left has nothing that the journal knows
	if err != nil {
		return fmt.Errorf("fetch: %w", err)
	}
	a.f, a.end = f, 0
	if err := syncDir(a.dir); err != nil {
		return fmt.Errorf("fetch: %w", err)
	}
	var info bytes.Buffer
	fmt.Fprintf(&info, "software: millrace\r\nformat: WARC File Format 1.1\r\nconformsTo: http://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/\r\n")
	fmt.Fprintf(&info, "robots: classic\r\nhttp-header-user-agent: %s\r\n", a.crawl.UserAgent)
	at := a.now()
	return a.record([]field{
		{"WARC-Type", "warcinfo"}, {"WARC-Record-ID", recordID("warcinfo", partName(a.part), at, info.Bytes())}, {"WARC-Date", date(at)},
		{"WARC-Filename", partName(a.part)}, {"Content-Type", "application/warc-fields"},
	}, info.Bytes())
}

// add writes a page, and says where it lies.
func (a *archive) add(p *page) (part int, end int64, err error) {
	if a.f != nil && a.end >= partBytes {
		if err := a.close(); err != nil {
			return 0, 0, err
		}
		a.part++
	}
	if a.f == nil {
		if err := a.begin(); err != nil {
			return 0, 0, err
		}
	}
	id := recordID("response", p.url, p.at, p.response)
	response := []field{
		{"WARC-Type", "response"}, {"WARC-Record-ID", id}, {"WARC-Date", date(p.at)}, {"WARC-Target-URI", p.url},
	}
	if p.address != "" {
		response = append(response, field{"WARC-IP-Address", p.address})
	}
	response = append(response, field{"WARC-Block-Digest", sum(p.response)}, field{"WARC-Payload-Digest", sum(p.response[p.body:])},
		field{"Content-Type", "application/http;msgtype=response"})
	request := []field{
		{"WARC-Type", "request"}, {"WARC-Record-ID", recordID("request", p.url, p.at, p.request)}, {"WARC-Date", date(p.at)}, {"WARC-Target-URI", p.url},
		{"WARC-Concurrent-To", id}, {"WARC-Block-Digest", sum(p.request)}, {"Content-Type", "application/http;msgtype=request"},
	}
	if err := errors.Join(a.record(request, p.request), a.record(response, p.response)); err != nil {
		return 0, 0, err
	}
	return a.part, a.end, nil
}

type field struct{ name, value string }

// record appends one.
func (a *archive) record(fields []field, block []byte) error {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	head := []byte("WARC/1.1\r\n")
	for _, f := range fields {
		head = fmt.Appendf(head, "%s: %s\r\n", f.name, f.value)
	}
	head = fmt.Appendf(head, "Content-Length: %d\r\n\r\n", len(block))
	for _, part := range [][]byte{head, block, []byte("\r\n\r\n")} {
		if _, err := z.Write(part); err != nil {
			return err
		}
	}
	if err := z.Close(); err != nil {
		return err
	}
	n, err := a.f.Write(b.Bytes())
	a.end += int64(n)
	a.dirty = true
	if err != nil {
		return fmt.Errorf("fetch: %s: %w", a.f.Name(), err)
	}
	return nil
}

func (a *archive) sync() error {
	if a.f == nil || !a.dirty {
		return nil
	}
	a.dirty = false
	if err := a.f.Sync(); err != nil {
		return fmt.Errorf("fetch: %s: %w", a.f.Name(), err)
	}
	return nil
}

// close makes the current part durable.
func (a *archive) close() error {
	if a.f == nil {
		return nil
	}
	err := errors.Join(a.sync(), a.f.Close())
	a.f = nil
	return err
}

func date(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

func sum(b []byte) string {
	s := sha1.Sum(b) //nolint:gosec // see the import
	return "sha1:" + base32.StdEncoding.EncodeToString(s[:])
}

// recordID is a UUID of version 8 (RFC 9562) made of the record: what is fetched again at another time has another.
func recordID(kind, url string, at time.Time, block []byte) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00%s\x00%s\x00", kind, url, date(at))
	h.Write(block)
	u := h.Sum(nil)[:16]
	u[6] = u[6]&0x0f | 0x80
	u[8] = u[8]&0x3f | 0x80
	x := hex.EncodeToString(u)
	return "<urn:uuid:" + x[:8] + "-" + x[8:12] + "-" + x[12:16] + "-" + x[16:20] + "-" + x[20:] + ">"
}

// page is a response that is to be stored.
type page struct {
	url      string
	at       time.Time // of the request
	address  string
	request  []byte
	response []byte // header and body
	body     int    // where the body begins
}

// newPage writes down what was sent and what came. The body is as it was before transfer and content codings, and the header
// says so.
func newPage(req *http.Request, resp *http.Response, at time.Time, address string, body []byte) *page {
	p := &page{url: req.URL.String(), at: at, address: address}
	var b bytes.Buffer
	fmt.Fprintf(&b, "GET %s HTTP/1.1\r\nHost: %s\r\n", req.URL.RequestURI(), req.URL.Host)
	_ = req.Header.Write(&b) // a buffer does not fail
	b.WriteString("Accept-Encoding: gzip\r\n\r\n")
	p.request = b.Bytes()

	h := resp.Header.Clone()
	h.Del("Content-Encoding") // gzip, and taken off
	h.Del("Transfer-Encoding")
	h.Set("Content-Length", fmt.Sprint(len(body)))
	var r bytes.Buffer
	fmt.Fprintf(&r, "HTTP/1.1 %03d %s\r\n", resp.StatusCode, http.StatusText(resp.StatusCode))
	_ = h.Write(&r)
	r.WriteString("\r\n")
	p.body = r.Len()
	r.Write(body)
	p.response = r.Bytes()
	return p
}
