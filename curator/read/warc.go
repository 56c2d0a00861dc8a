package read

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"millrace/curator/corpus"
)

// maxWARCHeader bounds the header of a WARC record, and the length of a line in it.
const maxWARCHeader = 64 << 10

// warcHeader is what is used of a record's header (ISO 28500).
type warcHeader struct {
	kind       string // WARC-Type
	uri        string // WARC-Target-URI
	content    string // Content-Type
	identified string // WARC-Identified-Payload-Type
	length     int64  // Content-Length
}

// cutWARC cuts an archive. Records that hold no page (requests, revisits, metadata) are passed over.
func cutWARC(c *cutter, in io.Reader) error {
	w := &warcReader{in: bufio.NewReaderSize(in, maxWARCHeader)}
	for number := 1; ; number++ {
		c.offset = w.offset
		if err := c.ctx.Err(); err != nil {
			return err
		}
		h, err := w.header()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if page := h.page(); !page || h.length > c.source.MaxBytes {
			if err := w.discard(c, h.length); err != nil {
				return err
			}
			if page {
				if err := c.tooLarge(number, h.length); err != nil {
					return err
				}
			}
			continue
		}
		block := make([]byte, h.length)
		n, err := io.ReadFull(w.in, block)
		w.offset += int64(n)
		if err != nil {
			return cutOff(err)
		}
		if err := c.emit(Record{number: number, data: block, url: h.uri, warc: h}); err != nil {
			return err
		}
	}
}

// page tells whether a record can hold a page. Resources of metadata: are wget's own notes.
func (h *warcHeader) page() bool {
	switch {
	case h.length == 0:
	case h.kind == "response" && strings.HasPrefix(h.content, "application/http"),
		h.kind == "resource" && !strings.HasPrefix(h.uri, "metadata:") && (isHTML(h.content) || isPlain(h.content)),
		h.kind == "conversion" && (h.content == "" || isPlain(h.content)):
		return true
	}
	return false
}

// warcReader reads headers and passes over blocks.
type warcReader struct {
	in     *bufio.Reader
	offset int64
}

// cutOff is the error of a stream that ends in the middle of something.
func cutOff(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("it is cut off in the middle of a record: %w", io.ErrUnexpectedEOF)
	}
	return err
}

// line reads a line without its end.
func (w *warcReader) line() ([]byte, error) {
	line, err := w.in.ReadSlice('\n')
	w.offset += int64(len(line))
	if errors.Is(err, bufio.ErrBufferFull) {
		return nil, fmt.Errorf("a line of a WARC header has more than %d bytes", maxWARCHeader)
	}
	return bytes.TrimRight(line, "\r\n"), err
}

// header reads the next header; io.EOF when there is none.
func (w *warcReader) header() (*warcHeader, error) {
	for { // records are parted by empty lines
		line, err := w.line()
		switch {
		case len(line) > 0 && !bytes.HasPrefix(line, []byte("WARC/")[:min(len(line), 5)]):
			return nil, fmt.Errorf("%.20q is no beginning of a WARC record", line)
		case err != nil && (len(line) > 0 || !errors.Is(err, io.EOF)):
			return nil, cutOff(err)
		case err != nil:
			return nil, io.EOF
		case len(line) == 0:
			continue
		}
		break
	}
	h := &warcHeader{length: -1}
	var last *string // of the field whose value may go on
	for size := 0; ; {
		line, err := w.line()
		if err != nil {
			return nil, cutOff(err)
		}
		if size += len(line); size > maxWARCHeader {
			return nil, fmt.Errorf("a WARC header has more than %d bytes", maxWARCHeader)
		}
		if len(line) == 0 {
			break
		}
		if line[0] == ' ' || line[0] == '\t' {
			if last != nil {
				*last += " " + string(bytes.TrimSpace(line))
			}
			continue
		}
		name, value, ok := strings.Cut(string(line), ":")
		if !ok {
			return nil, fmt.Errorf("%.40q is no field of a WARC header", line)
		}
		value = strings.TrimSpace(value)
		last = h.field(name)
		if last != nil {
			*last = value
		}
		if strings.EqualFold(name, "Content-Length") {
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil || n < 0 {
				return nil, fmt.Errorf("the Content-Length of a WARC record is %.40q", value)
			}
			h.length = n
		}
	}
	if h.length < 0 {
		return nil, errors.New("a WARC record has no Content-Length")
	}
	h.kind, h.content, h.identified = strings.ToLower(h.kind), strings.ToLower(h.content), strings.ToLower(h.identified)
	h.uri = strings.TrimSuffix(strings.TrimPrefix(h.uri, "<"), ">") // as older wgets write it
	return h, nil
}

// field is where the value of a field belongs, if it is used.
func (h *warcHeader) field(name string) *string {
	switch strings.ToLower(name) {
	case "warc-type":
		return &h.kind
	case "warc-target-uri":
		return &h.uri
	case "content-type":
		return &h.content
	case "warc-identified-payload-type":
		return &h.identified
	}
	return nil
}

// discard passes over n bytes.
func (w *warcReader) discard(c *cutter, n int64) error {
	for n > 0 {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		d, err := w.in.Discard(int(min(n, 1<<20)))
		w.offset += int64(d)
		n -= int64(d)
		if err != nil {
			return cutOff(err)
		}
		c.progress()
	}
	return nil
}

// extractWARC takes the page out of a record's block.
func extractWARC(x *extractor, data []byte, d *corpus.Doc) *corpus.Why {
	body, contentType := data, x.warc.content
	if x.warc.kind == "response" {
		answer, why := readAnswer(data, x.source.MaxBytes)
		if why != nil {
			return why
		}
		body, contentType = answer.body, answer.contentType
		if contentType == "" {
			contentType = x.warc.identified
		}
	}
	if contentType == "" && x.warc.kind == "response" {
		contentType = sniff(body)
	}
	switch {
	case isHTML(contentType):
		return mainText(body, contentType, d)
	case isPlain(contentType) || x.warc.kind == "conversion":
		if why := binaryData(body); why != nil {
			return why
		}
		d.Text = decodeText(body, contentType)
		return nil
	}
	return &corpus.Why{Reason: NotHTML, Value: float64(len(body))}
}
