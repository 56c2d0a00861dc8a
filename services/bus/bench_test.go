package bus_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"millrace/event"
	"millrace/services/bus"
)

// BenchmarkPublish is one fact after the other, each with its own fsync.
func BenchmarkPublish(b *testing.B) {
	for name, relaxed := range map[string]bool{"fsync": false, "relaxed": true} {
		b.Run(name, func(b *testing.B) {
			l := open(b, bus.Config{Dir: b.TempDir(), Relaxed: relaxed})
			for b.Loop() {
				if _, err := l.Publish(b.Context(), beat("r")); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkFollow reads a log of small facts, and one of full metric messages, from its beginning.
func BenchmarkFollow(b *testing.B) {
	const facts = 5000
	for name, e := range map[string]event.Event{
		"heartbeats":  beat("r"),
		"1000 points": logged(frameOf("run", "w", 10, 100, 0)),
	} {
		b.Run(name, func(b *testing.B) {
			l := open(b, bus.Config{Dir: b.TempDir(), Relaxed: true})
			for range facts {
				if _, err := l.Publish(b.Context(), e); err != nil {
					b.Fatal(err)
				}
			}
			for b.Loop() {
				n := 0
				err := l.Follow(b.Context(), 1, nil, func(event.Envelope) error {
					if n++; n == facts {
						return context.Canceled
					}
					return nil
				})
				if err != context.Canceled {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*facts)/b.Elapsed().Seconds(), "facts/s")
		})
	}
}

// BenchmarkWork gives jobs that take no time to a group, each acknowledged for good.
func BenchmarkWork(b *testing.B) {
	for _, lanes := range []int{1, 8} {
		b.Run(fmt.Sprintf("parallel=%d", lanes), func(b *testing.B) {
			l := open(b, bus.Config{Dir: b.TempDir()})
			done := make(chan struct{})
			g := bus.Group{Name: "bench", Filters: []string{event.Subjects}, Parallel: lanes}
			ctx, cancel := context.WithCancel(b.Context())
			ended := make(chan error)
			go func() {
				ended <- l.Work(ctx, g, func(context.Context, event.Envelope, bus.Delivery) error { done <- struct{}{}; return nil })
			}()
			for b.Loop() { // publish to start: what a waiting evaluator sees
				if _, err := l.Publish(b.Context(), beat(fmt.Sprint("r", rand.IntN(1000)))); err != nil {
					b.Fatal(err)
				}
				<-done
			}
			cancel()
			<-ended
		})
	}
}
