package ingest

import (
	"bytes"

	"millrace/event"
	"millrace/services/tracker"
)

// columns gathers points as they come into series of parallel columns. A series is found by guessing that points come in the same order
// of keys again and again, and otherwise by name.
type columns struct {
	now    int64 // µs since 1970, for points without a time
	points int
	series []event.Series
	byName map[string]int
	last   int
	name   []byte
	// context as it was last written, and what became of it: it is mostly the same.
	written   []byte
	canonical string
}

// find returns the series of a key in a context.
func (c *columns) find(key []byte, context string) *event.Series {
	if guess := c.last + 1; len(c.series) > 0 {
		if guess >= len(c.series) {
			guess = 0
		}
		if s := &c.series[guess]; s.Key == view(key) && s.Context == context {
			c.last = guess
			return s
		}
	}
	c.name = append(append(append(c.name[:0], key...), 0), context...)
	i, ok := c.byName[view(c.name)]
	if !ok {
		if c.byName == nil {
			c.byName = map[string]int{}
		}
		i = len(c.series)
		c.byName[string(c.name)] = i
		c.series = append(c.series, event.Series{Key: string(key), Context: context})
	}
	c.last = i
	return &c.series[i]
}

// room counts points in, up to the bound of a batch.
func (c *columns) room(n int) *fault {
	if c.points += n; c.points > tracker.MaxBatchPoints {
		return &fault{code: codeTooLarge, message: "more than 100000 points in one batch", hint: "send smaller batches"}
	}
	return nil
}

// frame is what was gathered, as a writer's.
func (c *columns) frame(run event.RunID, writer event.WriterID) event.Frame {
	return event.Frame{Run: run, Writer: writer, Series: c.series}
}

// Fields that were seen, to find those that are there twice or are missing.
const (
	hasKey = 1 << iota
	hasContext
	hasStep
	hasTime
	hasValue
)

// field notes a field, and refuses one that is there twice.
func field(seen *int, bit int) *fault {
	if *seen&bit != 0 {
		return invalid("it is there twice")
	}
	*seen |= bit
	return nil
}

func missing(seen, want int) *fault {
	for _, f := range []struct {
		bit  int
		name string
	}{{hasKey, "key"}, {hasStep, "step"}, {hasValue, "value"}} {
		if want&f.bit != 0 && seen&f.bit == 0 {
			return invalid("it is missing").in(f.name)
		}
	}
	return nil
}

func unknown(key []byte) *fault {
	return invalid("there is no such field").in(shown(key))
}

// shown is a foreign name, short enough to be shown.
func shown(key []byte) string {
	if len(key) > 80 {
		return string(bytes.ToValidUTF8(key[:80], nil)) + "…"
	}
	return string(key)
}

// key reads a metric's key into its own bytes: what comes after it may use the scratch again.
func (c *columns) key(s *scanner, into []byte) ([]byte, *fault) {
	key, bad := s.text()
	if bad != nil {
		return nil, bad
	}
	if len(key) == 0 || len(key) > event.MaxKey {
		return nil, invalid("a key must have 1-%d bytes; this one has %d", event.MaxKey, len(key))
	}
	return append(into[:0], key...), nil
}

// context reads a dimension set: an object, or its text in a string. It is kept as canonical JSON.
func (c *columns) context(s *scanner) (string, *fault) {
	var text []byte
	var bad *fault
	if s.peek() == '"' {
		if text, bad = s.text(); bad != nil || len(text) == 0 {
			return "", bad
		}
	} else {
		if s.peek() != '{' {
			return "", s.unexpected("an object, or its text,")
		}
		if text, bad = s.raw(); bad != nil {
			return "", bad
		}
	}
	if c.written != nil && bytes.Equal(c.written, text) {
		return c.canonical, nil
	}
	canonical, err := event.Context(text)
	if err != nil {
		return "", invalid("%.80q: %v", text, err)
	}
	c.written, c.canonical = bytes.Clone(text), canonical
	return canonical, nil
}

// readPoints reads a list of {"key","step","value","time"?,"context"?}.
func (c *columns) readPoints(s *scanner) *fault {
	var own [64]byte
	key := own[:0]
	return s.array(func(int) *fault {
		if bad := c.room(1); bad != nil {
			return bad
		}
		seen, at, context := 0, c.now, ""
		var step int64
		var value float64
		bad := s.object(func(name []byte) (bad *fault) {
			switch string(name) {
			case "key":
				if bad = field(&seen, hasKey); bad == nil {
					key, bad = c.key(s, key)
				}
				return bad.in("key")
			case "step":
				if bad = field(&seen, hasStep); bad == nil {
					step, bad = s.integer()
				}
				return bad.in("step")
			case "value":
				if bad = field(&seen, hasValue); bad == nil {
					value, bad = s.value()
				}
				return bad.in("value")
			case "time":
				if bad = field(&seen, hasTime); bad == nil {
					at, bad = s.moment(c.now)
				}
				return bad.in("time")
			case "context":
				if bad = field(&seen, hasContext); bad == nil {
					context, bad = c.context(s)
				}
				return bad.in("context")
			}
			return unknown(name)
		})
		if bad == nil {
			bad = missing(seen, hasKey|hasStep|hasValue)
		}
		if bad != nil {
			return bad
		}
		to := c.find(key, context)
		to.Steps, to.Times, to.Values = append(to.Steps, step), append(to.Times, at), append(to.Values, value)
		return nil
	})
}

// readSeries reads a list of {"key","context"?,"steps":[],"times"?[],"values":[]}.
func (c *columns) readSeries(s *scanner) *fault {
	return s.array(func(int) *fault {
		var key []byte
		context, seen := "", 0
		var steps, times []int64
		var values []float64
		bad := s.object(func(name []byte) (bad *fault) {
			switch string(name) {
			case "key":
				if bad = field(&seen, hasKey); bad == nil {
					key, bad = c.key(s, nil)
				}
				return bad.in("key")
			case "context":
				if bad = field(&seen, hasContext); bad == nil {
					context, bad = c.context(s)
				}
				return bad.in("context")
			case "steps":
				if bad = field(&seen, hasStep); bad == nil {
					bad = s.array(func(int) *fault {
						v, bad := s.integer()
						steps = append(steps, v)
						if bad == nil {
							bad = c.room(1)
						}
						return bad
					})
				}
				return bad.in("steps")
			case "times":
				if bad = field(&seen, hasTime); bad == nil {
					bad = s.array(func(int) *fault {
						v, bad := s.moment(c.now)
						times = append(times, v)
						return bad
					})
				}
				return bad.in("times")
			case "values":
				if bad = field(&seen, hasValue); bad == nil {
					bad = s.array(func(int) *fault {
						v, bad := s.value()
						values = append(values, v)
						return bad
					})
				}
				return bad.in("values")
			}
			return unknown(name)
		})
		switch {
		case bad != nil:
			return bad
		case seen&hasKey == 0:
			return missing(seen, hasKey)
		case len(steps) != len(values) || seen&hasTime != 0 && len(times) != len(steps):
			return invalid("%d steps, %d times and %d values: they must be as many", len(steps), len(times), len(values))
		}
		if seen&hasTime == 0 {
			times = make([]int64, len(steps))
			for i := range times {
				times[i] = c.now
			}
		}
		to := c.find(key, context)
		to.Steps, to.Times, to.Values = append(to.Steps, steps...), append(to.Times, times...), append(to.Values, values...)
		return nil
	})
}
