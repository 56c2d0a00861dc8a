package client

import (
	"bytes"
	"io"
	"strings"
	"sync"
	"time"
)

// lineWriters are the run's console streams.
type lineWriters struct {
	mu  sync.Mutex
	all map[string]*lineWriter
}

// Writer takes a console stream ("stdout", "stderr", "log"): what is written to it becomes lines of the run. A carriage return begins the line
// anew, as progress bars do. Writing neither waits nor fails. Numbers of lines are a stream's: a process that is not the only one to log to
// the run should have streams of its own ("stdout-rank1").
func (l *Logger) Writer(stream string) io.Writer {
	l.lines.mu.Lock()
	defer l.lines.mu.Unlock()
	if l.lines.all == nil {
		l.lines.all = map[string]*lineWriter{}
	}
	w, ok := l.lines.all[stream]
	if !ok {
		w = &lineWriter{l: l, stream: stream}
		l.lines.all[stream] = w
	}
	return w
}

// Line logs one line of a stream.
func (l *Logger) Line(stream, line string) {
	_, _ = l.Writer(stream).Write([]byte(strings.ReplaceAll(line, "\n", " ") + "\n")) // does not fail
}

// flush logs the lines that have no end yet: a progress bar as it stands. Without all, only those that have waited a while.
func (ws *lineWriters) flush(all bool) {
	ws.mu.Lock()
	var each []*lineWriter
	for _, w := range ws.all {
		each = append(each, w)
	}
	ws.mu.Unlock()
	for _, w := range each {
		w.flush(all)
	}
}

const (
	maxLine      = 64 << 10        // bytes; a longer one becomes several
	maxLines     = 256             // of one entry
	partialAfter = 2 * time.Second // how long a line without end waits
)

type lineWriter struct {
	l      *Logger
	stream string

	mu    sync.Mutex
	next  int64 // number of the line that is open
	open  []byte
	since time.Time // when it was last written to or logged
	said  bool      // it was logged as it stands
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(p)
	var lines []string
	bytesOf := 0
	first := w.next
	log := func() {
		if len(lines) > 0 {
			w.log(first, lines)
		}
		lines, bytesOf, first = nil, 0, w.next
	}
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		piece := p
		if i >= 0 {
			piece = p[:i]
		}
		room := maxLine - len(w.open)
		cut := i >= 0
		if len(piece) > room {
			piece, cut = piece[:room], true
			p = p[room:]
		} else {
			p = p[len(piece)+min(1, i+1):]
		}
		w.open = append(w.open, piece...)
		w.since, w.said = time.Now(), false
		if !cut {
			// A progress bar that never ends its line would grow: what it has overwritten is gone.
			from := bytes.LastIndexByte(bytes.TrimRight(w.open, "\r"), '\r') + 1
			w.open = append(w.open[:0], w.open[from:]...)
			break
		}
		line := string(overwritten(w.open))
		w.open = w.open[:0]
		lines, bytesOf = append(lines, line), bytesOf+len(line)
		w.next++
		if len(lines) == maxLines || bytesOf > maxLine {
			log()
		}
	}
	log()
	return n, nil
}

// overwritten is what a terminal would show of a line: what follows its last carriage return, but for one at its end.
func overwritten(line []byte) []byte {
	line = bytes.TrimRight(line, "\r")
	return line[bytes.LastIndexByte(line, '\r')+1:]
}

func (w *lineWriter) log(first int64, lines []string) {
	w.l.entry("lines", struct {
		Stream string   `json:"stream"`
		First  int64    `json:"first"`
		Lines  []string `json:"lines"`
	}{w.stream, first, lines})
}

func (w *lineWriter) flush(all bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.open) == 0 || w.said || !all && time.Since(w.since) < partialAfter {
		return
	}
	w.log(w.next, []string{string(overwritten(w.open))})
	w.said = true
}
