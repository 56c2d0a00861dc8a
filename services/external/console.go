package external

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"
)

// Bounds of a console, so that a command that prints without end does not fill the log.
const (
	burst     = 2000 // lines at once
	perSecond = 100  // lines in the long run
	tail      = 50   // newest lines of those left out, which are told
	maxLine   = 16 << 10
)

// console makes lines of what a command prints. Beyond the bounds lines are left out, but for the newest before the next that is told. What
// follows a carriage return stands over what came before it, as progress bars mean it.
type console struct {
	print  func(line string)
	points func(step int64, keys []string, values []float64) error // nil: lines are lines
	now    func() time.Time

	mu      sync.Mutex
	allowed float64 // lines that may be told now
	at      time.Time
	skipped int
	held    []string // newest of the skipped
	last    string   // newest line that is not empty
	failed  error    // of points
}

// stream is one of a command's outputs.
type stream struct {
	c       *console
	metrics bool
	rest    []byte // a line's beginning
	long    bool   // the line at hand is cut
}

// Write takes the next piece of the output.
func (s *stream) Write(p []byte) (int, error) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	n := len(p)
	for {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			s.keep(p)
			return n, nil
		}
		s.keep(p[:i])
		s.end()
		p = p[i+1:]
	}
}

// keep adds to the line at hand. A carriage return begins it anew, unless it is only the end of a line.
func (s *stream) keep(p []byte) {
	if i := bytes.LastIndexByte(p, '\r'); i >= 0 && i < len(p)-1 {
		s.rest, s.long, p = s.rest[:0], false, p[i+1:]
	} else if n := len(s.rest); n > 0 && s.rest[n-1] == '\r' && len(p) > 0 {
		s.rest, s.long = s.rest[:0], false
	}
	if room := maxLine - len(s.rest); len(p) > room {
		p, s.long = p[:room], true
	}
	s.rest = append(s.rest, p...)
}

// end hands on the line at hand.
func (s *stream) end() {
	line := strings.TrimRight(strings.ToValidUTF8(string(s.rest), "?"), "\r")
	cut := s.long
	s.rest, s.long = s.rest[:0], false
	if s.metrics && !cut && strings.HasPrefix(line, "{") && s.c.measure(line) {
		return
	}
	if cut {
		line += "…"
	}
	s.c.tell(line)
}

// tell prints a line if it may. The caller holds the lock.
func (c *console) tell(line string) {
	if strings.TrimSpace(line) != "" {
		c.last = line
	}
	now := c.now()
	if c.at.IsZero() {
		c.allowed = burst
	} else {
		c.allowed = min(burst, c.allowed+max(0, now.Sub(c.at).Seconds())*perSecond)
	}
	c.at = now
	// What was left out is told before what comes next, and takes its share.
	if need := 1 + float64(min(len(c.held), tail)); c.allowed < need {
		if c.skipped++; len(c.held) == tail {
			c.held = slices.Delete(c.held, 0, 1)
		}
		c.held = append(c.held, line)
		return
	}
	c.release()
	c.allowed--
	c.print(line)
}

// release tells the newest of what was left out. The caller holds the lock.
func (c *console) release() {
	if more := c.skipped - len(c.held); more > 0 {
		c.print(fmt.Sprintf("… %d lines left out: at most %d a second are kept", more, perSecond))
	}
	for _, l := range c.held {
		c.print(l)
	}
	c.allowed -= float64(len(c.held))
	c.skipped, c.held = 0, nil
}

// close tells what is left: a traceback stands at the end. Nothing is written any more.
func (c *console) close(streams ...*stream) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range streams {
		if len(s.rest) > 0 {
			s.end()
		}
	}
	c.release()
}

// lastLine is the newest line that says something.
func (c *console) lastLine() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := []rune(c.last); len(r) > 300 {
		return string(r[:300]) + "…"
	}
	return c.last
}

// maxPoints bounds the points of one line.
const maxPoints = 1000

// measure takes a line for points, if it is an object with a whole step and numbers.
func (c *console) measure(line string) bool {
	var m map[string]any
	d := json.NewDecoder(strings.NewReader(line))
	d.UseNumber()
	if d.Decode(&m) != nil || d.More() || len(m) < 2 || len(m) > maxPoints {
		return false
	}
	at, ok := m["step"].(json.Number)
	if !ok {
		return false
	}
	step, err := at.Int64()
	if err != nil {
		return false
	}
	delete(m, "step")
	var keys []string
	for k, v := range m {
		if _, ok := v.(json.Number); !ok && v != "NaN" && v != "Infinity" && v != "-Infinity" || k == "" || len(k) > 1024 {
			return false
		}
		keys = append(keys, k)
	}
	slices.Sort(keys)
	values := make([]float64, len(keys))
	for i, k := range keys {
		switch v := m[k].(type) {
		case json.Number:
			if values[i], err = v.Float64(); err != nil {
				return false
			}
		case string:
			values[i] = map[string]float64{"NaN": math.NaN(), "Infinity": math.Inf(1), "-Infinity": math.Inf(-1)}[v]
		}
	}
	if err := c.points(step, keys, values); err != nil && c.failed == nil {
		c.failed = err
	}
	return true
}
