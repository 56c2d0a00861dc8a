package bus_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"millrace/event"
	"millrace/services/bus"
)

func TestPublishAfterLetsOneOfManyThroughWhoSawTheSameFact(t *testing.T) {
	b := embedded(t)
	last := publish(t, b, event.RunStopRequested{Run: "r"})
	publish(t, b, event.RunStopRequested{Run: "other"})
	var won, lost atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			_, err := b.PublishAfter(soon(t), event.Envelope{Event: event.RunStopRequested{Run: "r"}}, last)
			switch {
			case err == nil:
				won.Add(1)
			case errors.Is(err, bus.ErrExists):
				lost.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 || lost.Load() != 7 {
		t.Errorf("%d won, %d lost", won.Load(), lost.Load())
	}
}

// A tracker that ends a run which nobody has started, and a worker that starts it: never both.
func TestOfTwoWhoEachExpectTheOtherToBeStillOneIsHeard(t *testing.T) {
	b := embedded(t)
	starts, ends := 0, 0
	for i := range 40 {
		run := event.RunID(fmt.Sprint("r", i))
		started, ended := event.RunStarted{Run: run, Attempt: 1, Worker: "w"}, event.RunEnded{Run: run, Status: event.Stopped}
		var start, end error
		var wg sync.WaitGroup
		wg.Go(func() { _, start = b.PublishWhile(soon(t), started, ended.Subject(), 0) })
		wg.Go(func() { _, end = b.PublishWhile(soon(t), ended, started.Subject(), 0) })
		wg.Wait()
		switch {
		case start == nil && errors.Is(end, bus.ErrOvertaken):
			starts++
		case end == nil && errors.Is(start, bus.ErrOvertaken):
			ends++
		default:
			t.Fatalf("start: %v, end: %v", start, end)
		}
	}
	t.Logf("%d started, %d ended", starts, ends)
	if _, err := b.PublishWhile(soon(t), beat("r"), "elsewhere.x", 0); err == nil {
		t.Error("a subject of another log was expected")
	}
}
