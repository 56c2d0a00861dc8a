package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"millrace/client"
)

// bar shows a run's progress: a moving line on a terminal, a line now and then elsewhere.
type bar struct {
	out   io.Writer
	live  bool
	width int
	quiet bool
	last  time.Time
	phase string
	line  string
	drawn bool
	whole bool // the phase was shown as done
}

// newBar draws on standard error, so that standard output stays for results. quiet draws nothing.
func newBar(quiet bool) *bar {
	fd := int(os.Stderr.Fd())
	b := &bar{out: os.Stderr, live: term.IsTerminal(fd), width: 80, quiet: quiet}
	if w, _, err := term.GetSize(fd); err == nil && w > 20 {
		b.width = w
	}
	return b
}

// plainEvery is how often a line is written where there is no terminal.
const plainEvery = 5 * time.Second

// draw shows the run as it is now.
func (b *bar) draw(r client.Run) {
	if b.quiet || r.Progress == nil {
		return
	}
	now := time.Now()
	changed := r.Progress.Phase != b.phase
	whole := r.Progress.Total > 0 && r.Progress.Done >= r.Progress.Total
	if !b.live && !changed && (!whole || b.whole) && now.Sub(b.last) < plainEvery && !r.Ended() {
		return
	}
	line := progressLine(r)
	if line == b.line {
		return
	}
	b.last, b.phase, b.line, b.whole = now, r.Progress.Phase, line, whole
	if b.live {
		fmt.Fprintf(b.out, "\r\x1b[K%s", clip(line, b.width-1))
		b.drawn = true
		return
	}
	fmt.Fprintln(b.out, line)
}

// end leaves the last line standing.
func (b *bar) end() {
	if b.drawn {
		fmt.Fprintln(b.out)
		b.drawn = false
	}
}

// progressLine is one run in one line: name, phase, bar, loss, time left, speed.
func progressLine(r client.Run) string {
	p := r.Progress
	var s strings.Builder
	fmt.Fprintf(&s, "%-18s %-9s ", clip(r.Name, 18), p.Phase)
	if p.Total > 0 {
		fmt.Fprintf(&s, "%s %3d%%  ", cells(p.Done, p.Total), min(p.Done, p.Total)*100/p.Total)
	}
	if p.Unit == "bytes" {
		s.WriteString(bytes(p.Done))
	} else {
		fmt.Fprintf(&s, "%d", p.Done)
		if p.Total > 0 {
			fmt.Fprintf(&s, "/%d", p.Total)
		}
		s.WriteString(" " + p.Unit)
	}
	// The most wanted first: what does not fit is cut off.
	if v, ok := r.Last("train/loss"); ok {
		fmt.Fprintf(&s, "  loss %s", number(v))
	}
	if p.SecondsLeft != nil && !r.Ended() {
		fmt.Fprintf(&s, "  %s left", clock(seconds(float64(*p.SecondsLeft))))
	}
	if v, ok := r.Last("bytes_per_second"); ok && p.Unit == "bytes" && !r.Ended() {
		fmt.Fprintf(&s, "  %s/s", bytes(int64(v)))
	}
	if v, ok := r.Last("tokens_per_second"); ok {
		fmt.Fprintf(&s, "  %s tokens/s", count(v))
	}
	return s.String()
}

// cells is a bar of 20; of a total of 0 nothing is done.
func cells(done, total int64) string {
	const n = 20
	full := int(min(done, total) * n / max(1, total))
	return strings.Repeat("█", full) + strings.Repeat("░", n-full)
}

func clip(s string, n int) string {
	if r := []rune(s); len(r) > n && n > 0 {
		return string(r[:n-1]) + "…"
	}
	return s
}

// follow shows a run until it has ended and returns it as it is then. A node that restarts meanwhile is waited for.
func follow(ctx context.Context, c *client.Client, id string, quiet bool) (client.Run, error) {
	b := newBar(quiet)
	defer b.end()
	var run client.Run
	patience := time.Now().Add(time.Minute)
	for {
		err := c.WatchRun(ctx, id, func(r client.Run) error {
			run, patience = r, time.Now().Add(time.Minute)
			b.draw(r)
			return nil
		})
		if run.Ended() {
			return run, nil
		}
		if ctx.Err() != nil {
			return run, ctx.Err()
		}
		if err != nil && (codeOf(err) != exitNoNode || time.Now().After(patience)) {
			return run, err
		}
		select {
		case <-ctx.Done():
			return run, ctx.Err()
		case <-time.After(time.Second):
		}
	}
}
