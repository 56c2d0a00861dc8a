package journal

import (
	"encoding/binary"
	"math"

	"millrace/event"
)

// Point is one value of a metric. Name is what Journal.Name gave for its key.
type Point struct {
	Name  uint32
	Step  int64
	Time  int64 // microseconds since 1970
	Value float64
}

// IsEntry as a Point's name says that in its place comes the entry of number Step.
const IsEntry = math.MaxUint32

// Part is a stretch of a batch: points of several series, or one entry.
type Part struct {
	Series []event.Series
	Entry  []byte // JSON; nil for points
}

// Contents is a batch, read back.
type Contents struct {
	Parts  []Part
	Points int
	// Lost counts points whose key's record is damaged.
	Lost int
	// Damaged counts bytes in which no record could be read.
	Damaged int
}

// OnlyPoints tells whether nothing but points is in the batch.
func (c Contents) OnlyPoints() bool {
	for _, p := range c.Parts {
		if p.Entry != nil {
			return false
		}
	}
	return true
}

// appendPoint writes a point after the one before it.
func appendPoint(dst []byte, p, before Point) []byte {
	dst = binary.AppendUvarint(dst, uint64(p.Name))
	dst = binary.AppendVarint(dst, p.Step-before.Step) // wraps, and wraps back when read
	dst = binary.AppendVarint(dst, p.Time-before.Time)
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(p.Value))
}

// Parse reads the records of one batch. Consecutive points become series in the order in which their keys first came.
func Parse(b []byte) Contents {
	var c Contents
	p := parser{names: map[uint64]event.Series{}}
	gaps, tail := Scan(b, func(r Record) {
		switch r.Kind {
		case Name:
			p.name(r.Body)
		case Points:
			p.points(r.Body, &c)
		case Entry:
			p.close(&c)
			c.Parts = append(c.Parts, Part{Entry: r.Body})
		}
	})
	p.close(&c)
	c.Damaged = tail
	for _, g := range gaps {
		c.Damaged += g.Bytes
	}
	return c
}

// parser gathers points until something else comes.
type parser struct {
	names  map[uint64]event.Series
	open   map[uint64]int // place in series
	series []event.Series
}

func (p *parser) name(b []byte) {
	id, n := binary.Uvarint(b)
	if n <= 0 {
		return
	}
	key, b, ok := cutString(b[n:])
	if !ok {
		return
	}
	if context, _, ok := cutString(b); ok {
		p.names[id] = event.Series{Key: key, Context: context}
	}
}

func cutString(b []byte) (s string, rest []byte, ok bool) {
	v, n := binary.Uvarint(b)
	if n <= 0 || v > uint64(len(b)-n) {
		return "", nil, false
	}
	return string(b[n : n+int(v)]), b[n+int(v):], true
}

func (p *parser) points(b []byte, c *Contents) {
	count, n := binary.Uvarint(b)
	if n <= 0 {
		return
	}
	b = b[n:]
	var step, time int64
	for ; count > 0 && len(b) > 0; count-- {
		id, n := binary.Uvarint(b)
		if n <= 0 {
			return
		}
		ds, m := binary.Varint(b[n:])
		if m <= 0 {
			return
		}
		dt, k := binary.Varint(b[n+m:])
		if n += m + k; k <= 0 || len(b) < n+8 {
			return
		}
		step, time = step+ds, time+dt
		v := math.Float64frombits(binary.LittleEndian.Uint64(b[n:]))
		b = b[n+8:]
		i, ok := p.open[id]
		if !ok {
			named, known := p.names[id]
			if !known {
				c.Lost++
				continue
			}
			if p.open == nil {
				p.open = map[uint64]int{}
			}
			i = len(p.series)
			p.open[id] = i
			p.series = append(p.series, named)
		}
		s := &p.series[i]
		s.Steps, s.Times, s.Values = append(s.Steps, step), append(s.Times, time), append(s.Values, v)
		c.Points++
	}
}

// close ends a stretch of points.
func (p *parser) close(c *Contents) {
	if len(p.series) > 0 {
		c.Parts = append(c.Parts, Part{Series: p.series})
		p.series, p.open = nil, nil
	}
}
