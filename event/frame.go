package event

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
)

// The column frame format, version 1 (docs/formats/metrics.md draws it):
//
//	"MRF1"  uvarint frames  frame…  crc32c of all before, 4 bytes little-endian
//	frame:  string run, string writer, byte identity (+ 0x80: uvarint sequence follows), uvarint series, series…
//	series: string key, string context, uvarint n,
//	        n × zigzag varint: step minus the step before (the first minus 0)
//	        n × zigzag varint: time minus the time before, in µs
//	        n × 8 bytes little-endian: IEEE 754 bits of the value
//	string: uvarint length, bytes
const frameMagic = "MRF1"

// numbered is set in the byte of the identity when the frame has a sequence.
const numbered = 0x80

// Limits of a frame set, for writers and readers alike.
const (
	maxName   = 1024 // bytes of a key, context or id
	maxPoints = MaxBody / 10
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// AppendFrames appends the encoded frames to dst.
func AppendFrames(dst []byte, frames []Frame) ([]byte, error) {
	start := len(dst)
	dst = append(dst, frameMagic...)
	dst = binary.AppendUvarint(dst, uint64(len(frames)))
	for _, f := range frames {
		for _, s := range []string{string(f.Run), string(f.Writer)} {
			if !ValidID(s) {
				return nil, fmt.Errorf("event: frame: %q: %w", s, ErrBadID)
			}
			dst = appendString(dst, s)
		}
		if f.Identity > ByContent {
			return nil, fmt.Errorf("event: frame of %s: identity %d: %w", f.Run, f.Identity, ErrMalformed)
		}
		if f.Sequence == 0 {
			dst = append(dst, byte(f.Identity))
		} else {
			dst = binary.AppendUvarint(append(dst, byte(f.Identity)|numbered), f.Sequence)
		}
		dst = binary.AppendUvarint(dst, uint64(len(f.Series)))
		for _, s := range f.Series {
			n := len(s.Steps)
			if len(s.Times) != n || len(s.Values) != n {
				return nil, fmt.Errorf("event: frame of %s: %q has %d steps, %d times, %d values: %w", f.Run, s.Key, n, len(s.Times), len(s.Values), ErrMalformed)
			}
			if s.Key == "" || len(s.Key) > maxName || len(s.Context) > maxName {
				return nil, fmt.Errorf("event: frame of %s: a key must have 1-%d bytes: %w", f.Run, maxName, ErrMalformed)
			}
			dst = appendString(dst, s.Key)
			dst = appendString(dst, s.Context)
			dst = binary.AppendUvarint(dst, uint64(n))
			dst = appendDeltas(dst, s.Steps)
			dst = appendDeltas(dst, s.Times)
			for _, v := range s.Values {
				dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(v))
			}
		}
	}
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli)), nil
}

func appendString(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

func appendDeltas(dst []byte, xs []int64) []byte {
	var prev int64
	for _, x := range xs {
		dst = binary.AppendVarint(dst, x-prev) // wraps on overflow, and wraps back when read
		prev = x
	}
	return dst
}

// ParseFrames reads what AppendFrames wrote. It allocates no more than a small multiple of the input's size.
func ParseFrames(b []byte) ([]Frame, error) {
	if len(b) < len(frameMagic)+5 || string(b[:4]) != frameMagic {
		return nil, fmt.Errorf("event: frames: not a column frame, version 1: %w", ErrMalformed)
	}
	body, sum := b[:len(b)-4], binary.LittleEndian.Uint32(b[len(b)-4:])
	if crc32.Checksum(body, castagnoli) != sum {
		return nil, fmt.Errorf("event: frames: checksum does not match: %w", ErrMalformed)
	}
	r := frameReader{rest: body[4:]}
	frames := make([]Frame, 0, min(r.count(4), 1024))
	for n := r.n; n > 0 && r.err == nil; n-- {
		f := Frame{Run: RunID(r.id()), Writer: WriterID(r.id()), Identity: Identity(r.byte())}
		if f.Identity&numbered != 0 {
			f.Identity &^= numbered
			if f.Sequence = r.uvarint(); f.Sequence == 0 {
				r.fail("sequence")
			}
		}
		if f.Identity > ByContent {
			r.fail("identity")
		}
		for m := r.count(3); m > 0 && r.err == nil; m-- {
			s := Series{Key: r.string(), Context: r.string()}
			points := r.count(10)
			if s.Key == "" || points > maxPoints {
				r.fail("series")
			}
			if r.err != nil {
				break
			}
			s.Steps, s.Times, s.Values = r.deltas(points), r.deltas(points), r.floats(points)
			f.Series = append(f.Series, s)
		}
		frames = append(frames, f)
	}
	if r.err == nil && len(r.rest) > 0 {
		r.fail("bytes after the last frame")
	}
	if r.err != nil {
		return nil, r.err
	}
	return frames, nil
}

// frameReader reads fields until the first fault, which it keeps.
type frameReader struct {
	rest []byte
	n    int
	err  error
}

func (r *frameReader) fail(what string) {
	if r.err == nil {
		r.err = fmt.Errorf("event: frames: bad %s: %w", what, ErrMalformed)
	}
	r.rest = nil
}

// count reads a number of things that take at least size bytes each, so that it cannot promise more than there is.
func (r *frameReader) count(size int) int {
	v, k := binary.Uvarint(r.rest)
	if k <= 0 || v > uint64(len(r.rest)/size+1) {
		r.fail("count")
		r.n = 0
		return 0
	}
	r.rest = r.rest[k:]
	r.n = int(v)
	return r.n
}

func (r *frameReader) uvarint() uint64 {
	v, k := binary.Uvarint(r.rest)
	if k <= 0 {
		r.fail("number")
		return 0
	}
	r.rest = r.rest[k:]
	return v
}

func (r *frameReader) byte() byte {
	if len(r.rest) == 0 {
		r.fail("end")
		return 0
	}
	c := r.rest[0]
	r.rest = r.rest[1:]
	return c
}

func (r *frameReader) string() string {
	v, k := binary.Uvarint(r.rest)
	if k <= 0 || v > maxName || v > uint64(len(r.rest)-k) {
		r.fail("string")
		return ""
	}
	s := string(r.rest[k : k+int(v)])
	r.rest = r.rest[k+int(v):]
	return s
}

func (r *frameReader) id() string {
	s := r.string()
	if r.err == nil && !ValidID(s) {
		r.fail("id")
	}
	return s
}

func (r *frameReader) deltas(n int) []int64 {
	if r.err != nil || n > len(r.rest) {
		r.fail("column")
		return nil
	}
	xs := make([]int64, n)
	var prev int64
	for i := range xs {
		d, k := binary.Varint(r.rest)
		if k <= 0 {
			r.fail("column")
			return nil
		}
		r.rest = r.rest[k:]
		prev += d
		xs[i] = prev
	}
	return xs
}

func (r *frameReader) floats(n int) []float64 {
	if r.err != nil || n > len(r.rest)/8 {
		r.fail("values")
		return nil
	}
	xs := make([]float64, n)
	for i := range xs {
		xs[i] = math.Float64frombits(binary.LittleEndian.Uint64(r.rest[8*i:]))
	}
	r.rest = r.rest[8*n:]
	return xs
}
