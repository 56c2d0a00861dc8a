package readmodeltest_test

import (
	"strings"
	"testing"

	"millrace/event"
	"millrace/storage/readmodel/readmodeltest"
)

// witness notes what a check says instead of failing.
type witness struct {
	testing.TB
	said []string
}

func (w *witness) Errorf(format string, _ ...any) { w.said = append(w.said, format) }

// TestCheckFinds hands the check a log that is not the model's.
func TestCheckFinds(t *testing.T) {
	l := readmodeltest.Start(t)
	point := func(v float64) event.Event {
		return event.MetricsLogged{Gateway: "g", Frames: []event.Frame{{Run: "r", Writer: "w", Series: []event.Series{{Key: "k", Steps: []int64{1}, Times: []int64{1}, Values: []float64{v}}}}}}
	}
	l.Tell(event.RunRequested{Run: "r", Name: "n"}, point(1))
	w := &witness{TB: t}
	readmodeltest.Check(w, l.Model, l.Told())
	if len(w.said) != 0 {
		t.Fatalf("the same log: %v", w.said)
	}
	other := append([]event.Envelope(nil), l.Told()...)
	other[1].Event = point(2)
	for name, log := range map[string][]event.Envelope{"a different value": other, "a missing fact": l.Told()[:1]} {
		w := &witness{TB: t}
		readmodeltest.Check(w, l.Model, log)
		if len(w.said) != 1 || !strings.Contains(w.said[0], "folded again") {
			t.Errorf("%s: %v", name, w.said)
		}
	}
}
