package curation

import (
	"context"
	"time"

	"millrace/curator"
	"millrace/services/job"
)

// Keys of metrics. Their step is the milliseconds since the run was requested, so that a second attempt goes on where the first
// was; there is about one sample a second, and one at the end of each phase.
const (
	keyRead           = "documents_read"    // documents, and files that are none
	keyKept           = "documents_kept"    // that nothing has dropped so far
	keyDropped        = "documents_dropped" // and below it by reason, as documents_dropped/duplicate
	keyBytesPerSecond = "bytes_per_second"  // of the phase: on disk while it surveys, of text while it encodes
)

// sampleEvery is the time between two samples.
const sampleEvery = time.Second

// counts turns the curator's counts into the run's progress and metrics.
type counts struct {
	j   *job.Job
	now func() time.Time

	last    curator.Progress
	began   time.Time // the phase
	sampled time.Time // the last sample was taken
	done    int64     // when it was
	step    int64
	err     error
}

// tell is what the curator calls.
func (c *counts) tell(ctx context.Context, p curator.Progress) {
	now := c.now()
	if p.Phase != c.last.Phase {
		c.end(ctx)
		c.began, c.sampled, c.done = now, now, 0
	}
	if p.Unit != c.last.Unit {
		c.done = 0
	}
	c.last = p
	var left time.Duration
	if p.Done > 0 && p.Total > p.Done {
		left = time.Duration(float64(now.Sub(c.began)) * float64(p.Total-p.Done) / float64(p.Done))
	}
	c.j.Spend(0, 0, 0, p.Received)
	c.j.Progress(p.Phase, p.Done, p.Total, p.Unit, left)
	if now.Sub(c.sampled) >= sampleEvery {
		c.sample(ctx, now)
	}
}

// end takes the last sample of a phase.
func (c *counts) end(ctx context.Context) {
	if c.last.Phase != "" {
		c.sample(ctx, c.now())
	}
}

func (c *counts) sample(ctx context.Context, now time.Time) {
	p := c.last
	keys, values := []string{keyRead, keyKept, keyDropped}, []float64{float64(p.Read), float64(p.Documents), float64(p.Dropped)}
	for reason, n := range p.Reasons() {
		keys, values = append(keys, keyDropped+"/"+reason), append(values, float64(n))
	}
	if seconds := now.Sub(c.sampled).Seconds(); seconds > 0 && p.Unit == "bytes" {
		keys, values = append(keys, keyBytesPerSecond), append(values, float64(p.Done-c.done)/seconds)
	}
	c.sampled, c.done = now, p.Done
	c.step = max(c.step+1, now.Sub(c.j.Requested).Milliseconds())
	if c.err == nil {
		c.err = c.j.Metrics(ctx, c.step, keys, values)
	}
}
