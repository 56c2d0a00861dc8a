package readmodel

import (
	"fmt"

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
		s, err := f.open(name{frame.Run, clip(in.Key), clip(in.Context), event.WriterID(clip(string(frame.Writer))), identity})
		if err != nil {
			return err
		}
		s.touched = f.env.Seq
		for i := range n {
			added, err := f.log(s, point{in.Steps[i], in.Times[i], in.Values[i]})
			if err != nil {
				return f.damaged(s.name, err)
			}
			if added {
				f.points++
				f.cached++
			}
		}
		f.touch(s)
	}
	return nil
}

// damaged ends the fold: what is stored cannot be read, so what would be folded on top of it would be wrong.
func (f *fold) damaged(n name, err error) error {
	f.broken = fmt.Errorf("readmodel: %s: series %q of run %s: %w: %w", f.path, n.key, n.run, err, ErrBroken)
	return f.broken
}

// open returns a series, from memory, from the file, or new.
func (f *fold) open(n name) (*series, error) {
	if s := f.series[n.run][n]; s != nil {
		return s, nil
	}
	s := &series{name: n}
	if f.v.get(tableSeries, string(n.run), n.inRun()) == nil {
		s.number = f.nextNumber
		f.nextNumber++
		f.pending.put(tableSeries, string(n.run), n.inRun(), []byte(parts(s.number)))
	} else if err := s.restore(f.v); err != nil {
		return nil, f.damaged(n, err)
	} else if s.tail != nil {
		f.cached += s.tail.len()
	}
	f.remember(s)
	return s, nil
}

// restore reads a series' summary and its last chunk from the file, where everything of it is once it has left memory.
func (s *series) restore(v view) error {
	raw := v.get(tableLast, s.name.key, s.name.inKey())
	if raw == nil {
		return errSummary
	}
	var err error
	if s.number, s.summary, err = parseSummary(raw); err != nil {
		return err
	}
	if s.points == 0 {
		return nil
	}
	lower, raw := floorChunk(v.bucket(tableChunk), s.name, s.group(), s.name.boundOf(s.last))
	if raw == nil {
		return errChunk
	}
	cols, err := parseChunk(raw)
	if err != nil {
		return err
	}
	s.tail = &chunk{lower: lower, columns: cols}
	return nil
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
func (f *fold) log(s *series, p point) (bool, error) {
	at := s.name.boundOf(p)
	c := s.tail
	switch {
	case c == nil:
		c = &chunk{lower: floor}
		s.tail = c
		c.insert(0, p)
	case s.name.boundOf(s.last).less(at):
		if c.len() >= sealAt {
			s.keep(c)
			c = &chunk{lower: at}
			s.tail = c
		}
		c.insert(c.len(), p)
	default:
		var err error
		if c, err = s.chunkFor(f.v, at); err != nil {
			return false, err
		}
		i, there := c.find(s.name, p)
		if there {
			return false, nil
		}
		c.insert(i, p)
		s.revision++
	}
	s.add(p)
	var err error
	switch n := c.len(); {
	case n == sealAt:
		err = s.raise(f.v, c.columns)
	case n > sealAt:
		err = s.raise(f.v, columns{[]int64{p.step}, []int64{p.time}, []float64{p.value}})
	}
	if c.len() > splitAt {
		s.split(c)
	}
	return true, err
}
