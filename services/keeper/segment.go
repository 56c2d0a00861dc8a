package keeper

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"millrace/event"
	"millrace/storage/blob"
)

// ErrArchive is returned for an archive that cannot be read: bytes of another form, or of another log.
var ErrArchive = errors.New("the archive of the log cannot be read")

const (
	catalogueFormat = "millrace.archive.v1"
	segmentMagic    = "mrseg\x00\x01\n"
	// A segment is closed when it holds so many facts, or bytes of records.
	segmentFacts = 65_536
	segmentBytes = 16 << 20
	// maxSegment bounds a segment's records in bytes: the last one may stand beyond segmentBytes.
	maxSegment   = segmentBytes + 2<<20
	maxCatalogue = 64 << 20
)

// Catalogue names the segments of an archive, in the order of the log and without gaps.
type Catalogue struct {
	Format   string    `json:"format"` // "millrace.archive.v1"
	Log      string    `json:"log"`    // identity of the log
	Segments []Segment `json:"segments"`
}

// Segment is the facts from one place to another, both included. Places that the log itself had lost are not in it.
type Segment struct {
	First uint64    `json:"first"`
	Last  uint64    `json:"last"`
	Facts int64     `json:"facts"`
	From  time.Time `json:"from"` // when the first and the last fact happened, as their publishers saw it
	Until time.Time `json:"until"`
	// Records are the facts, Subjects the subjects but those of metric points with the place of the last fact on each.
	Records  blob.Ref `json:"records"`
	Subjects blob.Ref `json:"subjects"`
}

// Through is the last place that the archive holds, 0 when it holds none.
func (c Catalogue) Through() uint64 {
	if len(c.Segments) == 0 {
		return 0
	}
	return c.Segments[len(c.Segments)-1].Last
}

// totals counts facts and stored bytes.
func (c Catalogue) totals() (facts, size int64) {
	for _, s := range c.Segments {
		facts, size = facts+s.Facts, size+s.Records.Size+s.Subjects.Size
	}
	return facts, size
}

// ParseCatalogue reads a catalogue: known format, segments in order and without gaps. ErrArchive.
func ParseCatalogue(raw []byte) (Catalogue, error) {
	var c Catalogue
	if err := json.Unmarshal(raw, &c); err != nil {
		return Catalogue{}, fmt.Errorf("keeper: catalogue: %w: %w", ErrArchive, err)
	}
	if c.Format != catalogueFormat || c.Log == "" {
		return Catalogue{}, fmt.Errorf("keeper: catalogue of format %.40q of log %.80q: %w", c.Format, c.Log, ErrArchive)
	}
	for i, s := range c.Segments {
		_, rerr := blob.ParseDigest(string(s.Records.Digest))
		_, serr := blob.ParseDigest(string(s.Subjects.Digest))
		if rerr != nil || serr != nil || s.First == 0 || s.Last < s.First || s.Facts < 0 || i > 0 && s.First != c.Segments[i-1].Last+1 {
			return Catalogue{}, fmt.Errorf("keeper: catalogue: segment %d from %d to %d: %w", i, s.First, s.Last, ErrArchive)
		}
	}
	return c, nil
}

// packed is what a segment is made of before it is stored.
type packed struct {
	raw      bytes.Buffer // magic and records
	facts    int64
	from     time.Time
	until    time.Time
	subjects map[string]uint64
}

func newPacked() *packed {
	p := &packed{subjects: map[string]uint64{}}
	p.raw.WriteString(segmentMagic)
	return p
}

// add appends a fact.
func (p *packed) add(r event.Record) {
	p.raw.Write(event.AppendRecord(nil, r))
	p.facts++
	if !isPoints(r.Subject) {
		p.subjects[r.Subject] = r.Seq
	}
	if at, err := time.Parse(time.RFC3339Nano, r.Header(event.HeaderTime)); err == nil {
		if p.from.IsZero() {
			p.from = at
		}
		p.until = at
	}
}

func (p *packed) full() bool { return p.facts >= segmentFacts || p.raw.Len() >= segmentBytes }

// isPoints tells of the subjects on which metric points travel: many facts, and nobody asks for the last.
func isPoints(subject string) bool { return strings.HasPrefix(subject, event.Prefix+"metrics.") }

// records is the segment's object.
func (p *packed) records() []byte { return compress(p.raw.Bytes()) }

// index is the segment's list of subjects: one a line, the place of its last fact after a space, by subject.
func (p *packed) index() []byte {
	var out bytes.Buffer
	lines := make([]string, 0, len(p.subjects))
	for s, seq := range p.subjects {
		lines = append(lines, fmt.Sprintf("%s %d\n", s, seq))
	}
	slices.Sort(lines)
	for _, l := range lines {
		out.WriteString(l)
	}
	return compress(out.Bytes())
}

func compress(raw []byte) []byte {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		panic(err) // the options are wrong: a defect, found by any test
	}
	defer enc.Close()
	return enc.EncodeAll(raw, nil)
}

// decompress undoes compress, for at most limit bytes.
func decompress(b []byte, limit uint64) ([]byte, error) {
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(limit), zstd.WithDecoderMaxWindow(64<<20))
	if err != nil {
		panic(err)
	}
	defer dec.Close()
	raw, err := dec.DecodeAll(b, nil)
	if err != nil {
		return nil, fmt.Errorf("keeper: %w: %w", ErrArchive, err)
	}
	return raw, nil
}

// ReadSegment calls fn with every fact of a segment's object, in order, and returns fn's error as it is. ErrArchive when the bytes are none, or
// places do not rise.
func ReadSegment(b []byte, fn func(event.Record) error) error {
	raw, err := decompress(b, maxSegment)
	if err != nil {
		return err
	}
	rest, ok := bytes.CutPrefix(raw, []byte(segmentMagic))
	if !ok {
		return fmt.Errorf("keeper: not a segment: %w", ErrArchive)
	}
	for last := uint64(0); len(rest) > 0; {
		var r event.Record
		if r, rest, err = event.ParseRecord(rest); err != nil {
			return fmt.Errorf("keeper: after place %d: %w: %w", last, ErrArchive, err)
		}
		if r.Seq <= last {
			return fmt.Errorf("keeper: place %d follows %d: %w", r.Seq, last, ErrArchive)
		}
		last = r.Seq
		if err := fn(r); err != nil {
			return err
		}
	}
	return nil
}

// parseSubjects reads a segment's list of subjects.
func parseSubjects(b []byte, fn func(subject string, seq uint64)) error {
	raw, err := decompress(b, 4*maxSegment)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(raw)) {
		var subject string
		var seq uint64
		if _, err := fmt.Sscanf(line, "%s %d\n", &subject, &seq); err != nil {
			return fmt.Errorf("keeper: subjects: line %.80q: %w", line, ErrArchive)
		}
		fn(subject, seq)
	}
	return nil
}

func hashOf(subject string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(subject))
	return h.Sum64()
}
