package tracker_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"millrace/event"
)

// TestFactsThatAnotherCarriesAreFollowedOneByOne logs a batch, and follows the log by filters of every manner.
func TestFactsThatAnotherCarriesAreFollowedOneByOne(t *testing.T) {
	tr := start(t)
	for _, run := range []event.RunID{"a", "b"} {
		submit(t, tr, event.RunRequested{Run: run, Spec: event.Spec{Kind: event.External}})
		_, err := tr.Take(t.Context(), event.Batch{Run: run, Writer: "w", Sequence: 1, Facts: []event.Event{
			event.RunTagged{Run: run, Set: map[string]string{"x": "1"}}, event.AlertRaised{Run: run, Level: "info", Title: "x"}, event.RunHeartbeat{Run: run, Writer: "w"},
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	submit(t, tr, event.RunNoted{Run: "b", Note: new(string)})
	for _, c := range []struct {
		filters []string
		want    string
	}{
		{nil, "[run.requested:a run.tagged:a run.heartbeat:a run.alert_raised:a run.requested:b run.tagged:b run.heartbeat:b run.alert_raised:b run.noted:b]"},
		{[]string{"millrace.run.a.>"}, "[run.requested:a run.tagged:a run.heartbeat:a run.alert_raised:a]"},
		{[]string{"millrace.run.*.tagged"}, "[run.tagged:a run.tagged:b]"},
		{[]string{"millrace.run.b.tagged", "millrace.run.*.heartbeat"}, "[run.heartbeat:a run.tagged:b run.heartbeat:b]"},
		{[]string{"millrace.run.b.tagged", "millrace.run.b.noted"}, "[run.tagged:b run.noted:b]"},
		{[]string{"millrace.run.*.alert_raised"}, "[run.alert_raised:a run.alert_raised:b]"},
	} {
		var got []string
		last, err := tr.LastSeq(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if c.filters != nil { // one more that is asked for, to end it
			submit(t, tr, event.RunStarred{Run: "a", Starred: true})
			last++
		}
		end := errors.New("end")
		filters := c.filters
		if filters != nil && filters[0] != "millrace.run.a.>" {
			filters = append(filters, event.RunStarred{Run: "a"}.Subject())
		}
		ctx, cancel := context.WithCancel(t.Context())
		err = tr.Follow(ctx, 1, filters, func(env event.Envelope) error {
			if env.Event.Type() != "run.starred" {
				got = append(got, fmt.Sprintf("%s:%s", env.Event.Type(), event.RunOf(env.Event)))
			}
			if env.Seq >= last {
				return end
			}
			return nil
		})
		cancel()
		if !errors.Is(err, end) || fmt.Sprint(got) != c.want {
			t.Errorf("%v: %v\n got %v\nwant %s", c.filters, err, got, c.want)
		}
	}
}
