package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"sort"

	"millrace/trainer/model/stored"
)

const (
	metadataKey = "__metadata__"
	maxHeader   = 100_000_000 // as in the reference implementation
	maxTensors  = 1 << 20
	maxDims     = 8
)

// ErrFormat is wrapped by every error about the bytes of a file.
var ErrFormat = errors.New("not a safetensors file")

// Entry describes a tensor of a file that is being read.
type Entry struct {
	Name  string
	DType string // "F32", "F16", "BF16", …
	Shape []int
	begin int64 // of its bytes, after the header
}

// Elements is the product of the shape.
func (e Entry) Elements() int {
	n := 1
	for _, d := range e.Shape {
		n *= d
	}
	return n
}

type entry struct {
	DType   string   `json:"dtype"`
	Shape   []int    `json:"shape"`
	Offsets [2]int64 `json:"data_offsets"`
}

// width is the bytes of an element of each dtype of the format.
func width(dtype string) (int64, bool) {
	_, w := stored.DType(dtype).Block()
	return w, w > 0 && stored.DType(dtype) != stored.Q8_0
}

// Reader reads a file from front to back.
type Reader struct {
	// Metadata is the file's __metadata__, possibly nil.
	Metadata map[string]string
	// Entries are the tensors in the order of their bytes.
	Entries []Entry
	r       io.Reader
	at      int
	header  int64 // bytes before the tensors'
}

// NewReader reads the header. Errors about the content wrap ErrFormat. Where r tells how much it holds, by Len() int as a
// bytes.Reader does, a file of another length than its header says is refused at once, before anyone makes room for it.
func NewReader(r io.Reader) (*Reader, error) {
	var n [8]byte
	if _, err := io.ReadFull(r, n[:]); err != nil {
		return nil, broken("the length of the header is missing: %w", err)
	}
	size := binary.LittleEndian.Uint64(n[:])
	if size > maxHeader {
		return nil, broken("a header of %d bytes is over the limit of %d", size, maxHeader)
	}
	// Grown as bytes arrive: a file that lies about its header costs what it holds.
	var h bytes.Buffer
	if _, err := io.CopyN(&h, r, int64(size)); err != nil {
		return nil, broken("the header ends after %d of %d bytes: %w", h.Len(), size, err)
	}
	f := &Reader{r: r, header: 8 + int64(size)}
	data, err := f.parse(h.Bytes())
	if err != nil {
		return nil, err
	}
	if l, ok := r.(interface{ Len() int }); ok && int64(l.Len()) != data {
		return nil, broken("%d bytes follow the header, which describes %d", l.Len(), data)
	}
	return f, nil
}

// parse reads the header and returns the length of the data it describes.
func (f *Reader) parse(header []byte) (int64, error) {
	d := json.NewDecoder(bytes.NewReader(header))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return 0, broken("the header is not a JSON object")
	}
	type placed struct {
		Entry
		begin, end int64
	}
	var found []placed
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return 0, broken("header: %w", err)
		}
		name, _ := t.(string)
		if seen[name] {
			return 0, broken("%q appears twice", name)
		}
		seen[name] = true
		if name == metadataKey {
			if err := d.Decode(&f.Metadata); err != nil {
				return 0, broken("%s: %w", metadataKey, err)
			}
			continue
		}
		var e entry
		if err := d.Decode(&e); err != nil {
			return 0, broken("%q: %w", name, err)
		}
		if len(found) == maxTensors {
			return 0, broken("more than %d tensors", maxTensors)
		}
		if err := e.check(); err != nil {
			return 0, broken("%q: %w", name, err)
		}
		found = append(found, placed{Entry{name, e.DType, e.Shape, e.Offsets[0]}, e.Offsets[0], e.Offsets[1]})
	}
	if _, err := d.Token(); err != nil {
		return 0, broken("header: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return 0, broken("the header goes on after its object")
	}
	sort.SliceStable(found, func(i, j int) bool {
		if found[i].begin != found[j].begin {
			return found[i].begin < found[j].begin
		}
		return found[i].end < found[j].end
	})
	at := int64(0)
	for _, p := range found {
		if p.begin != at {
			return 0, broken("%q begins at %d, not at %d where the one before it ends", p.Name, p.begin, at)
		}
		at = p.end
		f.Entries = append(f.Entries, p.Entry)
	}
	return at, nil
}

// check believes an entry only if its shape, dtype and offsets agree.
func (e entry) check() error {
	w, ok := width(e.DType)
	if !ok {
		return fmt.Errorf("unknown dtype %q", e.DType)
	}
	if len(e.Shape) > maxDims {
		return fmt.Errorf("%d dimensions are over the limit of %d", len(e.Shape), maxDims)
	}
	n := int64(1)
	for _, d := range e.Shape {
		if d < 0 || (d > 0 && n > math.MaxInt64/16/int64(d)) {
			return fmt.Errorf("impossible shape %v", e.Shape)
		}
		n *= int64(d)
	}
	if e.Offsets[0] < 0 || e.Offsets[1]-e.Offsets[0] != n*w {
		return fmt.Errorf("shape %v of %s does not fit offsets %v", e.Shape, e.DType, e.Offsets)
	}
	return nil
}

// Next reads the next tensor of Entries into dst, converting F16 and BF16, or skips it when dst is nil. upload moves elements
// from the host to dst; nil copies. After the last tensor it returns io.EOF, or ErrFormat if the file goes on.
func (f *Reader) Next(dst []float32, upload func(dst, src []float32)) error {
	if f.at == len(f.Entries) {
		var b [1]byte
		if _, err := io.ReadFull(f.r, b[:]); err != io.EOF {
			if err == nil {
				err = errors.New("unexpected bytes")
			}
			return broken("after the last tensor: %w", err)
		}
		return io.EOF
	}
	e := f.Entries[f.at]
	f.at++
	w, _ := width(e.DType)
	if dst == nil {
		if _, err := io.CopyN(io.Discard, f.r, int64(e.Elements())*w); err != nil {
			return broken("%q ends early: %w", e.Name, err)
		}
		return nil
	}
	if len(dst) != e.Elements() {
		return fmt.Errorf("safetensors: %q has %d elements, want %d", e.Name, e.Elements(), len(dst))
	}
	if d := stored.DType(e.DType); !d.Weights() || d == stored.Q8_0 {
		return fmt.Errorf("safetensors: %q is %s; only F32, F16 and BF16 can be read as weights", e.Name, e.DType)
	}
	raw := make([]byte, int64(min(chunk, len(dst)))*w)
	host := make([]float32, min(chunk, len(dst)))
	for at := 0; at < len(dst); at += chunk {
		n := min(chunk, len(dst)-at)
		b := raw[:int64(n)*w]
		if _, err := io.ReadFull(f.r, b); err != nil {
			return broken("%q ends early: %w", e.Name, err)
		}
		stored.DType(e.DType).Decode(host[:n], b)
		if upload == nil {
			copy(dst[at:at+n], host[:n])
		} else {
			upload(dst[at:at+n], host[:n])
		}
	}
	return nil
}

func broken(format string, a ...any) error {
	return fmt.Errorf("safetensors: %w: %w", ErrFormat, fmt.Errorf(format, a...))
}
