package event_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"

	"millrace/event"
)

// TestEveryFactOfARunIsCarriedAsItIs packs every example that is about a run, and finds it again.
func TestEveryFactOfARunIsCarriedAsItIs(t *testing.T) {
	carried := 0
	for _, e := range event.Examples() {
		p, err := event.Pack(e)
		switch e.(type) {
		case event.MetricsLogged, event.BatchLogged:
			if !errors.Is(err, event.ErrMalformed) {
				t.Errorf("%s: %v", e.Type(), err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		run := event.RunOf(e)
		for got, err := range (event.BatchLogged{Run: run, Facts: []event.PackedFact{p}}).Unpack() {
			if run == "" {
				continue
			}
			carried++
			if err != nil || !reflect.DeepEqual(got, e) {
				t.Errorf("%+v, %v\nwant %+v", got, err, e)
			}
		}
	}
	if carried < 20 {
		t.Errorf("only %d facts were carried", carried)
	}
}

// TestABatchHasTheSameNumbersHoweverItIsCarried: a first try of another version of ours may have brought its beginning to the log.
func TestABatchHasTheSameNumbersHoweverItIsCarried(t *testing.T) {
	points := event.MetricsLogged{Frames: []event.Frame{{Run: "r", Writer: "w"}, {Run: "r", Writer: "w"}}}
	loose, err := event.Batch{Run: "r", Writer: "w", Sequence: 7, Facts: []event.Event{event.RunTagged{Run: "r"}, event.RunProgressed{Run: "r"}, event.RunHeartbeat{Run: "r"}, points}}.Number()
	if err != nil {
		t.Fatal(err)
	}
	carried, err := event.Batch{Run: "r", Writer: "w", Sequence: 7, Facts: []event.Event{event.BatchLogged{Run: "r", Facts: make([]event.PackedFact, 3)}, points}}.Number()
	if err != nil {
		t.Fatal(err)
	}
	if carried[0].Sequence != loose[2].Sequence || !reflect.DeepEqual(carried[1], loose[3]) {
		t.Errorf("%+v\n%+v", carried, loose)
	}
}

func FuzzUnpack(f *testing.F) {
	for _, body := range []string{
		`{"run":"r","facts":[{"type":"run.tagged","body":{"run":"r","set":{"a":"b"}}}]}`, `{"run":"r","facts":[{"type":"run.tagged","body":{"run":"s"}}]}`,
		`{"run":"r","facts":[{"type":"metrics.logged","body":{}},{"type":"run.batch_logged","body":{"run":"r"}},{"type":"run.mood","body":7},{"type":"price.set","body":{}}]}`,
		`{"run":"a.b","facts":[{"type":"run.heartbeat","body":{"run":"a.b"}}]}`, `{"facts":[{}]}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var b event.BatchLogged
		if json.Unmarshal(body, &b) != nil {
			return
		}
		n := 0
		for e, err := range b.Unpack() {
			n++
			if err != nil {
				if !errors.Is(err, event.ErrMalformed) && !errors.Is(err, event.ErrUnknownType) {
					t.Fatal(err)
				}
				continue
			}
			if event.RunOf(e) != b.Run {
				t.Fatalf("%T of run %q in a batch of %q", e, event.RunOf(e), b.Run)
			}
			switch e.(type) {
			case event.MetricsLogged, event.BatchLogged:
				t.Fatalf("%T inside", e)
			}
		}
		if n != len(b.Facts) {
			t.Fatalf("%d of %d", n, len(b.Facts))
		}
	})
}
