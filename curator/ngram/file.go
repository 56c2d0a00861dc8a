package ngram

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"millrace/curator/words"
)

// Format is the version of a model's file.
const Format = "millrace.ngram/1"

// ErrModel is wrapped by every error about bytes that are no model.
var ErrModel = errors.New("no n-gram model")

// header is a file's first line.
type header struct {
	Format  string  `json:"format"`
	Words   string  `json:"words"`
	Lower   bool    `json:"lower"`
	Unknown float32 `json:"unknown"` // ln p
	NGrams  []int   `json:"ngrams"`  // by length less one
}

const (
	maxHeader = 4 << 10
	maxNGrams = 1 << 29 // of one length
)

// WriteTo writes the model's file (docs/formats/models.md): the same bytes for the same model.
func (m *Model) WriteTo(out io.Writer) (int64, error) {
	line, err := json.Marshal(header{Format, m.splitter, m.lower, m.unknown, m.NGrams()})
	if err != nil {
		return 0, fmt.Errorf("ngram: %w", err)
	}
	w := bufio.NewWriterSize(out, 1<<16)
	n, _ := w.Write(append(line, '\n')) // Flush has the error
	total := int64(n)
	var b []byte
	for k := range m.orders {
		slots := make([]slot, 0, m.orders[k].n)
		for _, s := range m.orders[k].slots {
			if s.key != 0 {
				slots = append(slots, s)
			}
		}
		slices.SortFunc(slots, func(a, b slot) int {
			if a.key < b.key {
				return -1
			}
			return 1 // keys are different
		})
		last := uint64(0)
		for _, s := range slots {
			b = binary.AppendUvarint(b[:0], s.key-last)
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(s.prob))
			if k < len(m.orders)-1 {
				b = binary.LittleEndian.AppendUint32(b, math.Float32bits(s.backoff))
			}
			last = s.key
			n, _ := w.Write(b)
			total += int64(n)
		}
	}
	if err := w.Flush(); err != nil {
		return total, fmt.Errorf("ngram: %w", err)
	}
	return total, nil
}

// Read reads a model: a file of WriteTo, or ARPA, which begins with \data\. ARPA does not say how text becomes words:
// splitter, a name of package words, does, and words are taken as they stand. Its errors are those of r, and ErrModel,
// wrapped.
func Read(r io.Reader, splitter string) (*Model, error) {
	in := bufio.NewReaderSize(r, 1<<16)
	begins, err := in.Peek(64)
	if err != nil && len(begins) == 0 && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("ngram: %w", err)
	}
	if bytes.HasPrefix(bytes.TrimLeft(begins, "\r\n\t "), []byte(`\data\`)) {
		return readARPA(in, splitter)
	}
	m, err := read(in)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("%w: it ends before it is complete: copy it again", ErrModel)
	}
	return m, err
}

func read(in *bufio.Reader) (*Model, error) {
	line, err := in.ReadSlice('\n')
	if err != nil || len(line) > maxHeader {
		return nil, fmt.Errorf("%w: no header: want a file of \"millrace ngram train\", or ARPA", ErrModel)
	}
	var h header
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&h); err != nil {
		return nil, fmt.Errorf("%w: header: %w", ErrModel, err)
	}
	if h.Format != Format {
		return nil, fmt.Errorf("%w: format %.80q: this version reads %q", ErrModel, h.Format, Format)
	}
	next, err := words.ByName(h.Words)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrModel, err)
	}
	if len(h.NGrams) < 1 || len(h.NGrams) > MaxOrder || !probability(h.Unknown) {
		return nil, fmt.Errorf("%w: order %d, unknown %v", ErrModel, len(h.NGrams), h.Unknown)
	}
	m := &Model{splitter: h.Words, next: next, lower: h.Lower, unknown: h.Unknown, orders: make([]table, len(h.NGrams))}
	for k, n := range h.NGrams {
		if n < 0 || n > maxNGrams {
			return nil, fmt.Errorf("%w: %d n-grams of %d", ErrModel, n, k+1)
		}
		if m.orders[k], err = readOrder(in, n, k < len(h.NGrams)-1); err != nil {
			return nil, fmt.Errorf("n-grams of %d: %w", k+1, err)
		}
	}
	if _, err := in.ReadByte(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: it goes on behind its end", ErrModel)
	}
	return m, nil
}

func probability(ln float32) bool { return ln <= 0 && ln >= 2*least }

// readOrder reads n n-grams; memory grows with what is there.
func readOrder(in *bufio.Reader, n int, backoffs bool) (table, error) {
	t := newTable(min(n, 1<<16))
	last := uint64(0)
	var raw [8]byte
	for i := range n {
		step, err := binary.ReadUvarint(in)
		if err != nil {
			return t, fmt.Errorf("%w: number %d: %w", ErrModel, i, err)
		}
		key := last + step
		if step == 0 || key < last {
			return t, fmt.Errorf("%w: hash %d does not ascend", ErrModel, i)
		}
		last = key
		size := 4
		if backoffs {
			size = 8
		}
		if _, err := io.ReadFull(in, raw[:size]); err != nil {
			return t, err
		}
		s := slot{key: key, prob: math.Float32frombits(binary.LittleEndian.Uint32(raw[:]))}
		if backoffs {
			s.backoff = math.Float32frombits(binary.LittleEndian.Uint32(raw[4:]))
		}
		if !probability(s.prob) || !(math.Abs(float64(s.backoff)) <= -2*least) {
			return t, fmt.Errorf("%w: number %d: ln p %v, backoff %v", ErrModel, i, s.prob, s.backoff)
		}
		if t.n*3 >= len(t.slots)*2 {
			t.double(n)
		}
		t.put(s)
	}
	return t, nil
}

// double makes room for up to twice as many n-grams, but for no more than n.
func (t *table) double(n int) {
	old := t.slots
	*t = newTable(min(n, 2*t.n))
	for _, s := range old {
		if s.key != 0 {
			t.put(s)
		}
	}
}
