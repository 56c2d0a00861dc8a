package job

import (
	"context"
	"maps"
	"slices"
	"strings"

	"millrace/event"
)

// Bounds of one fact of console lines.
const (
	maxLine  = 4096 // bytes
	maxLines = 100
)

// buffer is what a job has told and the log does not have yet.
type buffer struct {
	series   map[string]*event.Series
	points   int
	lines    []string
	progress *event.RunProgressed
}

func (b *buffer) add(key string, step, at int64, value float64) {
	s := b.series[key]
	if s == nil {
		if b.series == nil {
			b.series = map[string]*event.Series{}
		}
		s = &event.Series{Key: key}
		b.series[key] = s
	}
	s.Steps, s.Times, s.Values = append(s.Steps, step), append(s.Times, at), append(s.Values, value)
	b.points++
}

// prepend puts what was told earlier in front.
func (b *buffer) prepend(older buffer) {
	for key, s := range older.series {
		if newer := b.series[key]; newer != nil {
			s.Steps = append(s.Steps, newer.Steps...)
			s.Times = append(s.Times, newer.Times...)
			s.Values = append(s.Values, newer.Values...)
		}
		if b.series == nil {
			b.series = map[string]*event.Series{}
		}
		b.series[key] = s
	}
	b.points += older.points
	b.lines = append(older.lines, b.lines...)
	if b.progress == nil {
		b.progress = older.progress
	}
}

// Flush publishes what is buffered and returns once it is durable. On an error what is not in the log stays buffered. Flushes come one after
// the other: when one returns, everything told before its call is in the log.
func (j *Job) Flush(ctx context.Context) error {
	select {
	case j.flushing <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-j.flushing }()
	j.mu.Lock()
	taken := j.buffered
	j.buffered = buffer{}
	j.mu.Unlock()
	err := j.publish(ctx, &taken)
	if err != nil {
		j.mu.Lock()
		j.buffered.prepend(taken)
		j.mu.Unlock()
	}
	return err
}

// publish puts a buffer into the log and takes out of it what is there.
func (j *Job) publish(ctx context.Context, b *buffer) error {
	if b.points > 0 {
		frame := event.Frame{Run: j.Request.Run, Writer: j.writer}
		for _, key := range slices.Sorted(maps.Keys(b.series)) {
			frame.Series = append(frame.Series, *b.series[key])
		}
		if _, err := j.runner.Bus.Publish(ctx, event.MetricsLogged{Gateway: j.runner.Worker, Frames: []event.Frame{frame}}); err != nil {
			return err
		}
		b.series, b.points = nil, 0
	}
	for len(b.lines) > 0 {
		n := min(len(b.lines), maxLines)
		if _, err := j.runner.Bus.Publish(ctx, event.LinesLogged{Run: j.Request.Run, Stream: "log", First: j.lines, Lines: b.lines[:n]}); err != nil {
			return err
		}
		b.lines = b.lines[n:]
		j.lines += int64(n) // only ever touched by the flush at hand
	}
	if b.progress != nil {
		if _, err := j.runner.Bus.Publish(ctx, *b.progress); err != nil {
			return err
		}
		b.progress = nil
	}
	return nil
}

// clip bounds a console line.
func clip(line string) string {
	if len(line) <= maxLine {
		return line
	}
	return strings.ToValidUTF8(line[:maxLine], "") + "…"
}
