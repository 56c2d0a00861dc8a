package job

import (
	"context"
	"errors"
	"sync"
	"time"

	"millrace/event"
	"millrace/services/bus"
)

// Job is one run in the hands of a worker. Its methods may be called from several goroutines.
type Job struct {
	Request   event.RunRequested
	Requested time.Time // when the request was made
	Attempt   int

	runner *Runner
	writer event.WriterID
	began  time.Time

	// flushing is held while something is being published, so that who flushes next waits for what was taken before.
	flushing sync.Mutex
	mu       sync.Mutex
	buffered map[string]*event.Series
	points   int
	lines    []string
	line     int64
	progress *event.RunProgressed
	spent    event.ResourcesSpent
	// joulesBefore is what the device had counted when the job began.
	joulesBefore *float64
}

// Flushing bounds: how many points wait at most before they are published with the next sample.
const flushPoints = 4096

// Metrics buffers one step's points; they are published with the next flush, a few times a second.
func (j *Job) Metrics(ctx context.Context, step int64, keys []string, values []float64) error {
	at := j.runner.Now().UnixMicro()
	j.mu.Lock()
	if j.buffered == nil {
		j.buffered = map[string]*event.Series{}
	}
	for i, key := range keys {
		s := j.buffered[key]
		if s == nil {
			s = &event.Series{Key: key}
			j.buffered[key] = s
		}
		s.Steps, s.Times, s.Values = append(s.Steps, step), append(s.Times, at), append(s.Values, values[i])
		j.points++
	}
	full := j.points >= flushPoints
	j.mu.Unlock()
	if full {
		return j.Flush(ctx)
	}
	return nil
}

// Print adds a console line.
func (j *Job) Print(line string) {
	j.mu.Lock()
	j.lines = append(j.lines, line)
	j.mu.Unlock()
}

// Progress says how far the run is; the newest counts, and it is published a few times a second at most. total 0 is unknown.
func (j *Job) Progress(phase string, done, total int64, unit string, left time.Duration) {
	p := &event.RunProgressed{Run: j.Request.Run, Phase: phase, Done: done, Total: total, Unit: unit}
	if left > 0 {
		s := left.Seconds()
		p.SecondsLeft = &s
	}
	j.mu.Lock()
	j.progress = p
	j.mu.Unlock()
}

// Spend adds what the run has used besides time: floating-point operations, tokens, bytes put into storage and moved.
func (j *Job) Spend(flops float64, tokens, stored, moved int64) {
	j.mu.Lock()
	j.spent.FLOPs += event.Number(flops)
	j.spent.Tokens += tokens
	j.spent.Stored += stored
	j.spent.Moved += moved
	j.mu.Unlock()
}

// Publish adds a fact about the run after everything that was buffered before it.
func (j *Job) Publish(ctx context.Context, e event.Event) error {
	if err := j.Flush(ctx); err != nil {
		return err
	}
	_, err := j.runner.Bus.Publish(ctx, e)
	return err
}

// PublishOnce is Publish for a fact whose subject may hold only one; that it is there already is no error.
func (j *Job) PublishOnce(ctx context.Context, e event.Event) error {
	_, err := j.runner.Bus.PublishOnce(ctx, e)
	if errors.Is(err, bus.ErrExists) {
		return nil
	}
	return err
}

// Last returns the newest fact on a subject about this run, or bus.ErrNone.
func (j *Job) Last(ctx context.Context, subject string) (event.Envelope, error) {
	return j.runner.Bus.Last(ctx, subject)
}

// Flush publishes what was buffered before the call and returns once all of it is durable. On an error the points stay buffered.
func (j *Job) Flush(ctx context.Context) error {
	j.flushing.Lock()
	defer j.flushing.Unlock()
	j.mu.Lock()
	frame := event.Frame{Run: j.Request.Run, Writer: j.writer}
	for _, s := range j.buffered {
		frame.Series = append(frame.Series, *s)
	}
	points, lines, progress := j.buffered, j.lines, j.progress
	j.buffered, j.points, j.lines, j.progress = nil, 0, nil, nil
	first := j.line
	j.line += int64(len(lines))
	j.mu.Unlock()

	if len(frame.Series) > 0 {
		sortSeries(frame.Series)
		if _, err := j.runner.Bus.Publish(ctx, event.MetricsLogged{Gateway: j.runner.Worker, Frames: []event.Frame{frame}}); err != nil {
			j.putBack(points)
			return err
		}
	}
	if len(lines) > 0 {
		if _, err := j.runner.Bus.Publish(ctx, event.LinesLogged{Run: j.Request.Run, Stream: "log", First: first, Lines: lines}); err != nil {
			return err
		}
	}
	if progress != nil {
		if _, err := j.runner.Bus.Publish(ctx, *progress); err != nil {
			return err
		}
	}
	return nil
}

// putBack keeps points that could not be published in front of those that came since.
func (j *Job) putBack(points map[string]*event.Series) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for key, newer := range j.buffered {
		if s := points[key]; s != nil {
			s.Steps = append(s.Steps, newer.Steps...)
			s.Times = append(s.Times, newer.Times...)
			s.Values = append(s.Values, newer.Values...)
		} else {
			points[key] = newer
		}
	}
	j.buffered, j.points = points, 0
	for _, s := range points {
		j.points += len(s.Steps)
	}
}
