package fasttext

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// ErrModel is wrapped by every error about bytes that are no model this package can use.
var ErrModel = errors.New("no usable fastText model")

const (
	magic      = 793712314
	version    = 12
	oldVersion = 11
)

// The bounds of what is read. lid.176.bin has 2 million rows of 16, 126 MB.
const (
	maxDim     = 4096
	maxEntries = 1 << 25
	maxBuckets = 1 << 25
	maxNumbers = 1 << 31 // of one matrix
	maxWord    = 1 << 16
	maxCount   = 1 << 33 // of a label: the tree of labels needs a sum below 10¹⁵
	maxLabels  = 1 << 16
)

// IsModel tells whether data begins as a model's file does; 4 bytes are enough.
func IsModel(data []byte) bool { return len(data) >= 4 && binary.LittleEndian.Uint32(data) == magic }

// The losses, as files number them.
const (
	lossHierarchical = 1 + iota
	lossNegative
	lossSoftmax
	lossOneVsAll
)

const modelSupervised = 3

// Read reads a model. Its errors are those of r, and ErrModel, wrapped.
func Read(r io.Reader) (*Model, error) {
	in := &input{r: bufio.NewReaderSize(r, 1<<20)}
	m := in.model()
	if in.err != nil {
		if errors.Is(in.err, io.EOF) || errors.Is(in.err, io.ErrUnexpectedEOF) {
			in.err = fmt.Errorf("%w: it ends at byte %d, before it is complete: copy it again", ErrModel, in.at)
		}
		return nil, in.err
	}
	return m, nil
}

// input reads little-endian numbers, and remembers the first error; after it everything is 0.
type input struct {
	r   *bufio.Reader
	at  int64
	err error
	buf [1 << 15]byte
}

func (in *input) fail(format string, args ...any) {
	if in.err == nil {
		in.err = fmt.Errorf("%w: at byte %d: %s", ErrModel, in.at, fmt.Sprintf(format, args...))
	}
}

// bytes are the next n, at most len(in.buf); they are overwritten by the next call.
func (in *input) bytes(n int) []byte {
	b := in.buf[:n]
	if in.err != nil {
		clear(b)
		return b
	}
	k, err := io.ReadFull(in.r, b)
	in.at += int64(k)
	if err != nil {
		in.err = err
		clear(b)
	}
	return b
}

func (in *input) int32() int32 { return int32(binary.LittleEndian.Uint32(in.bytes(4))) }
func (in *input) int64() int64 { return int64(binary.LittleEndian.Uint64(in.bytes(8))) }
func (in *input) bool() bool {
	b := in.bytes(1)[0]
	if b > 1 {
		in.fail("%d where yes or no should be", b)
	}
	return b == 1
}

// within is n, which must be from least to most.
func (in *input) within(what string, n, least, most int64) int {
	if n < least || n > most {
		in.fail("%s is %d: want %d to %d", what, n, least, most)
		return 0
	}
	return int(n)
}

// word is a text that ends in a zero byte.
func (in *input) word() string {
	if in.err != nil {
		return ""
	}
	var b []byte
	for {
		c, err := in.r.ReadByte()
		if err != nil {
			in.err = err
			return ""
		}
		in.at++
		if c == 0 {
			return string(b)
		}
		if b = append(b, c); len(b) > maxWord {
			in.fail("a word of more than %d bytes", maxWord)
			return ""
		}
	}
}

// floats reads n numbers; memory grows with what is there, not with what is announced.
func (in *input) floats(n int) []float32 {
	out := make([]float32, 0, min(n, 1<<20))
	for len(out) < n && in.err == nil {
		b := in.bytes(4 * min(n-len(out), len(in.buf)/4))
		for ; len(b) > 0 && in.err == nil; b = b[4:] {
			out = append(out, math.Float32frombits(binary.LittleEndian.Uint32(b)))
		}
	}
	return out
}

func (in *input) codes(n int) []byte {
	out := make([]byte, 0, min(n, 1<<20))
	for len(out) < n && in.err == nil {
		out = append(out, in.bytes(min(n-len(out), len(in.buf)))...)
	}
	return out
}

func (in *input) model() *Model {
	if got := in.int32(); in.err == nil && got != magic {
		in.fail("it does not begin as a model does (%#x)", got)
	}
	v := in.int32()
	if in.err == nil && v != version && v != oldVersion {
		in.fail("version %d: want %d or %d", v, oldVersion, version)
	}
	m := &Model{}
	m.dim = in.within("dim", int64(in.int32()), 1, maxDim)
	in.int32() // ws
	in.int32() // epoch
	in.int32() // minCount
	in.int32() // neg
	m.wordNgrams = in.within("wordNgrams", int64(in.int32()), 0, 64)
	m.loss = in.within("loss", int64(in.int32()), lossHierarchical, lossOneVsAll)
	kind := in.int32()
	if in.err == nil && kind != modelSupervised {
		in.fail("its vectors (model %d) tell no labels: want one trained by \"fasttext supervised\"", kind)
	}
	m.bucket = in.within("bucket", int64(in.int32()), 0, maxBuckets)
	m.minn = in.within("minn", int64(in.int32()), 0, 64)
	m.maxn = in.within("maxn", int64(in.int32()), 0, 64)
	in.int32() // lrUpdateRate
	in.bytes(8)
	if v == oldVersion {
		m.maxn = 0 // supervised models had no character n-grams then
	}
	if in.err == nil && m.bucket == 0 && (m.maxn > 0 || m.wordNgrams > 1) {
		in.fail("n-grams without buckets")
	}
	in.dictionary(m)
	quantised := in.bool()
	if in.err == nil && !quantised && m.pruned {
		in.fail("a dictionary that was pruned belongs to a quantised model")
	}
	m.input = in.matrix(quantised)
	m.output = in.matrix(in.bool() && quantised)
	if in.err != nil {
		return nil
	}
	rows, dim := m.input.shape()
	labels, width := m.output.shape()
	if dim != m.dim || width != m.dim || labels != len(m.labels) || rows < m.rows() {
		in.fail("matrices of %d by %d and %d by %d do not fit %d words, %d labels and dim %d", rows, dim, labels, width, len(m.words), len(m.labels), m.dim)
		return nil
	}
	m.prepare()
	return m
}

func (in *input) dictionary(m *Model) {
	size := in.within("size of the dictionary", int64(in.int32()), 0, maxEntries)
	words := in.within("number of words", int64(in.int32()), 0, int64(size))
	labels := in.within("number of labels", int64(in.int32()), 1, min(int64(size), maxLabels))
	in.int64() // tokens
	pruned := in.within("number of pruned rows", in.int64(), -1, maxBuckets)
	if in.err == nil && words+labels != size {
		in.fail("%d words and %d labels in a dictionary of %d", words, labels, size)
	}
	m.words = map[string]int32{}
	for i := 0; i < size && in.err == nil; i++ {
		word, count, kind := in.word(), in.int64(), in.bytes(1)[0]
		if isLabel := i >= words; in.err == nil && (kind == 1) != isLabel {
			in.fail("entry %d is of type %d: words come first, then labels", i, kind)
		}
		if kind == 1 {
			in.within("count of a label", count, 0, maxCount)
			m.labels, m.counts = append(m.labels, word), append(m.counts, count)
			continue
		}
		if _, double := m.words[word]; double {
			in.fail("the word %.80q is there twice", word)
		}
		m.words[word] = int32(i)
	}
	if in.err != nil || pruned < 0 {
		return
	}
	m.pruned, m.keptRows = true, pruned
	m.kept = make(map[uint32]int32, min(pruned, 1<<16))
	for i := 0; i < pruned && in.err == nil; i++ {
		from, to := in.int32(), in.int32()
		in.within("pruned row", int64(from), 0, maxBuckets)
		m.kept[uint32(from)] = int32(in.within("row", int64(to), 0, int64(pruned)-1))
	}
}
