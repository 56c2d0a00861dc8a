package fetch

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// sleep waits, or returns the context's error.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// gate lets one request at a time through, no sooner than it may. It is of one host, or of one endpoint.
type gate struct {
	slot chan struct{} // holds one while nobody is inside
	next time.Time     // of whoever has the slot
}

func newGate() *gate {
	g := &gate{slot: make(chan struct{}, 1)}
	g.slot <- struct{}{}
	return g
}

// enter waits for its turn. Whoever has entered must leave.
func (g *gate) enter(ctx context.Context, now func() time.Time) error {
	select {
	case <-g.slot:
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := sleep(ctx, g.next.Sub(now())); err != nil {
		g.leave()
		return err
	}
	return nil
}

func (g *gate) leave() { g.slot <- struct{}{} }

// wait moves the next turn, for whoever is inside.
func (g *gate) wait(until time.Time) {
	if until.After(g.next) {
		g.next = until
	}
}

// interval is what lies between requests at so many a second; 0 is no limit.
func interval(rate float64) time.Duration {
	if rate <= 0 {
		return 0
	}
	return time.Duration(float64(time.Second) / rate)
}

// retryAfter reads the header of that name (RFC 9110, section 10.2.3): seconds or a date. Without one, or with one that is
// past, it is 0.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.ParseInt(v, 10, 64); err == nil {
		return time.Duration(min(max(seconds, 0), 24*60*60)) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil {
		return min(max(at.Sub(now), 0), 24*time.Hour)
	}
	return 0
}

// passing tells of a status that the same request may not meet again.
func passing(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout, 529: // 529: overloaded, of some model APIs
		return true
	}
	return false
}
