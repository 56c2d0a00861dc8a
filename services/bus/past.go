package bus

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"millrace/event"
)

// Past is where facts lie that the log has forgotten. It may be asked by many at once.
type Past interface {
	// Read calls fn with the facts from a place until another, both included, whose subjects fit one of the filters (none: all), in
	// order. It returns ErrTrimmed when it does not hold all of them, and fn's error as it is.
	Read(ctx context.Context, from, until uint64, filters []string, fn func(event.Record) error) error
	// Last returns the newest fact on a subject, which may hold wildcards: ErrNone.
	Last(ctx context.Context, subject string) (event.Record, error)
}

// Remember lets readers go on into a past: Follow, Last, At and PublishOnce then see the log as if nothing had been trimmed. Call it before
// them.
func (b *Bus) Remember(p Past) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.past = p
}

// remembered is the past, nil when there is none.
func (b *Bus) remembered() Past {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.past
}

// Records calls fn with every fact from a place until another, both included, as it lies in the log, also those that cannot be decoded. The
// log must reach beyond until. Errors: ErrTrimmed when the log begins later than from (a past is not asked), and those of Follow.
func (b *Bus) Records(ctx context.Context, from, until uint64, fn func(event.Record) error) error {
	state, err := b.State(ctx)
	if err != nil {
		return err
	}
	switch {
	case from == 0 || until >= state.Last:
		return fmt.Errorf("bus: records %d to %d of a log that ends at %d", from, until, state.Last)
	case state.First > from:
		return fmt.Errorf("bus: records from %d: %w: it begins at %d", from, ErrTrimmed, state.First)
	}
	end := errors.New("end")
	err = b.follow(ctx, follower{bus: b, next: from, nothing: true, fn: func(r event.Record) error {
		if r.Seq > until {
			return end
		}
		return fn(r)
	}})
	if errors.Is(err, end) {
		return nil
	}
	return err
}

// Floor is the lowest place that a group of workers has not settled, and which group: facts from there on are still to be worked on. With
// nothing to be done it is beyond every place.
func (b *Bus) Floor(ctx context.Context) (place uint64, group string, err error) {
	leave, err := b.enter()
	if err != nil {
		return 0, "", err
	}
	defer leave()
	s, err := b.stream(ctx)
	if err != nil {
		return 0, "", fmt.Errorf("bus: floor: %w", b.explain(err))
	}
	place = math.MaxUint64
	list := s.ListConsumers(ctx)
	for info := range list.Info() {
		if info.Config.Durable == "" || info.NumPending == 0 && info.NumAckPending == 0 {
			continue
		}
		if at := info.AckFloor.Stream + 1; at < place {
			place, group = at, info.Name
		}
	}
	if err := list.Err(); err != nil {
		return 0, "", fmt.Errorf("bus: floor: %w", b.explain(err))
	}
	return place, group, nil
}

// Trim makes the log forget every fact before a place, for good. Put them elsewhere first.
func (b *Bus) Trim(ctx context.Context, before uint64) error {
	leave, err := b.enter()
	if err != nil {
		return err
	}
	defer leave()
	s, err := b.stream(ctx)
	if err != nil {
		return fmt.Errorf("bus: trim: %w", b.explain(err))
	}
	if _, err := ask(ctx, b, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, s.Purge(ctx, jetstream.WithPurgeSequence(before))
	}); err != nil {
		return fmt.Errorf("bus: trim before %d: %w", before, b.explain(err))
	}
	return nil
}

// recall reads what the log has forgotten, up to where it begins.
func (f *follower) recall(ctx context.Context, past Past, first uint64) error {
	err := past.Read(ctx, f.next, first-1, f.filters, func(r event.Record) error {
		if r.Seq < f.next {
			return nil
		}
		if f.failed = f.fn(r); f.failed != nil {
			return f.failed
		}
		f.next, f.lastID = r.Seq+1, r.ID()
		return nil
	})
	if err != nil {
		return err
	}
	f.next, f.lastID = first, ""
	return nil
}

// record is a message as it lies in the log.
func record(seq uint64, subject string, header nats.Header, body []byte) event.Record {
	r := event.Record{Seq: seq, Subject: subject, Body: body}
	for name, values := range header {
		if len(values) > 0 && !strings.HasPrefix(name, "Nats-") {
			r.Attributes = append(r.Attributes, event.Attribute{Name: name, Value: values[0]})
		}
	}
	slices.SortFunc(r.Attributes, func(a, b event.Attribute) int { return strings.Compare(a.Name, b.Name) })
	return r
}

// Fits tells whether a subject fits a filter: '*' stands for one token, '>' at the end for one or more.
func Fits(subject, filter string) bool {
	for {
		want, moreWant, deepWant := strings.Cut(filter, ".")
		is, moreIs, deepIs := strings.Cut(subject, ".")
		if want == ">" {
			return true
		}
		if want != "*" && want != is || deepWant != deepIs {
			return false
		}
		if !deepWant {
			return true
		}
		filter, subject = moreWant, moreIs
	}
}
