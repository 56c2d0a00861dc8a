package readmodel

import (
	"fmt"
	"math"

	"millrace/event"
)

// metricsLogged folds the frames of a message in, in order.
func (f *fold) metricsLogged(e event.MetricsLogged) error {
	for _, frame := range e.Frames {
		if err := f.frame(frame, byte(frame.Identity)); err != nil {
			return err
		}
	}
	return nil
}

// frame folds what one writer logged of one run. Columns of unequal length are cut to the shortest.
func (f *fold) frame(frame event.Frame, identity byte) error {
	if f.run(frame.Run) == nil {
		return nil
	}
	f.alive(frame.Run)
	if frame.Sequence > 0 && !f.next(frame.Run, frame.Writer, frame.Sequence) {
		return nil
	}
	for _, in := range frame.Series {
		n := min(len(in.Steps), len(in.Times), len(in.Values))
		if n == 0 {
			continue
		}
		s := f.open(name{frame.Run, clip(in.Key), clip(in.Context), event.WriterID(clip(string(frame.Writer))), identity})
		s.touched = f.env.Seq
		for i := range n {
			if f.log(s, point{in.Steps[i], in.Times[i], in.Values[i]}) {
				f.points++
				f.cached++
			}
		}
		f.touch(s)
		f.tell(s)
	}
	return nil
}

// tell says once that a part of a series cannot be read. The fold goes on: what cannot be read counts as empty, what is new is kept, and the
// series says of itself that it is damaged until the file is folded anew from the log, which has it all.
func (f *fold) tell(s *series) {
	if s.spoiled == nil {
		return
	}
	f.spoiled++
	f.Model.log.Error("a stored series is damaged: what of it cannot be read is left out until the file is rebuilt from the log (delete it and start again)",
		"run", s.name.run, "key", s.name.key, "err", s.spoiled)
	s.spoiled = nil
}

// open returns a series, from memory, from the file, or new.
func (f *fold) open(n name) *series {
	if s := f.series[n.run][n]; s != nil {
		return s
	}
	s := &series{name: n}
	raw := f.v.get(tableSeries, string(n.run), n.inRun())
	var err error
	if raw != nil {
		if err = s.restore(f.v); err == nil {
			if s.tail != nil {
				f.cached += s.tail.len()
			}
			f.remember(s)
			return s
		}
		// Its summary is gone, and with it the way to its points: it begins anew.
		s = &series{name: n}
		s.spoil(err)
		f.pending.clear(tableChunk, string(raw))
		f.pending.clear(tableBlock, string(raw))
		f.pending.remove(tableTail, string(n.run), string(raw))
	}
	s.number = f.nextNumber
	f.nextNumber++
	f.pending.put(tableSeries, string(n.run), n.inRun(), []byte(parts(s.number)))
	f.remember(s)
	return s
}

// restore reads a series' summary and its last chunk from the file, where everything of it is once it has left memory. A chunk that cannot be
// read is taken for empty; the error is of the summary.
func (s *series) restore(v view) error {
	raw := v.get(tableLast, s.name.key, s.name.inKey())
	if raw == nil {
		return errSummary
	}
	var err error
	if s.number, s.summary, err = parseSummary(raw); err != nil || s.points == 0 {
		return err
	}
	err = guarded(func() error {
		lower, raw, err := v.shelf().floor(s.name, s.number, ceiling)
		if raw == nil || err != nil {
			if err == nil {
				err = fmt.Errorf("%w: the last one is missing", errChunk)
			}
			return err
		}
		cols, err := parseChunk(raw)
		if err == nil && (cols.len() == 0 || cols.steps[cols.len()-1] != s.last.step) && !s.damaged {
			err = fmt.Errorf("%w: the last point is missing", errChunk)
		}
		s.tail = &chunk{lower: lower, columns: cols}
		return err
	})
	if err != nil {
		s.spoil(err)
		s.tail = &chunk{lower: s.name.after(s.last)}
	}
	return nil
}

// after is the least bound above a point.
func (n name) after(p point) bound {
	if p.step == math.MaxInt64 {
		return ceiling
	}
	return bound{step: p.step + 1, time: math.MinInt64}
}

func (f *fold) remember(s *series) {
	n := s.name
	if f.series[n.run] == nil {
		f.series[n.run] = map[name]*series{}
	}
	f.series[n.run][n] = s
	if f.byKey[n.key] == nil {
		f.byKey[n.key] = map[*series]struct{}{}
	}
	f.byKey[n.key][s] = struct{}{}
}

// log adds a point to a series, unless it is there. A chunk that is full goes into the pyramid as a whole, and what comes into it
// later point by point.
func (f *fold) log(s *series, p point) bool {
	at := s.name.boundOf(p)
	c := s.tail
	switch {
	case c == nil:
		c = &chunk{lower: floor}
		s.tail = c
		c.insert(0, p)
	case s.name.boundOf(s.last).less(at) && !at.less(c.lower):
		if c.len() >= sealAt {
			c.dirty = true // it moves to where the sealed ones lie
			s.keep(c)
			c = &chunk{lower: at}
			s.tail = c
		}
		c.insert(c.len(), p)
	default:
		c = s.chunkFor(f.v, at)
		i, there := c.find(s.name, p)
		if there {
			return false
		}
		c.insert(i, p)
		s.revision++
	}
	s.add(p)
	switch n := c.len(); {
	case n == sealAt:
		s.raise(f.v, c.columns)
	case n > sealAt:
		s.raise(f.v, columns{[]int64{p.step}, []int64{p.time}, []float64{p.value}})
	}
	if c.len() > splitAt {
		s.split(c)
	}
	return true
}
