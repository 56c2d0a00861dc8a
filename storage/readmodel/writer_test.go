package readmodel_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"millrace/event"
	"millrace/storage/readmodel"
	"millrace/storage/readmodel/readmodeltest"
)

// logged is a batch with points, a line, an alert and a tag, so that facts of every manner are in it.
func logged(writer event.WriterID, n uint64) event.Batch {
	at := int64(n)
	return event.Batch{Run: "R1", Writer: writer, Sequence: n, Facts: []event.Event{
		event.AlertRaised{Run: "R1", Level: "info", Title: fmt.Sprintf("%s %d", writer, n)},
		event.RunTagged{Run: "R1", Set: map[string]string{string(writer): fmt.Sprint(n)}},
		event.MetricsLogged{Gateway: "g", Frames: []event.Frame{
			{Run: "R1", Writer: writer, Series: []event.Series{{Key: "loss", Steps: []int64{at}, Times: []int64{at}, Values: []float64{float64(n)}}}},
			{Run: "R1", Writer: writer, Identity: event.ByContent, Series: []event.Series{{Key: "seen", Steps: []int64{0}, Times: []int64{at}, Values: []float64{1}}}},
		}},
		event.LinesLogged{Run: "R1", Stream: "stdout", First: at, Lines: []string{fmt.Sprint(writer, " says ", n)}},
	}}
}

// TestBatchesSentAgainChangeNothing sends batches of several writers, each writer's in order, but cut off in the middle, sent again whole, and
// old ones sent again later; what is read afterwards is what it would be had each come once.
func TestBatchesSentAgainChangeNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		writers := []event.WriterID{"rank0", "rank1", "rank2"}
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 1))
		l := readmodeltest.Start(t)
		next := map[event.WriterID]uint64{}
		alerts, batches := 0, rapid.IntRange(1, 30).Draw(rt, "batches")
		for range batches {
			w := writers[random.IntN(len(writers))]
			next[w]++
			facts, err := logged(w, next[w]).Number()
			if err != nil {
				rt.Fatal(err)
			}
			alerts++
			for random.IntN(3) == 0 { // a try that was cut off, or whose answer was lost
				l.TellAs(facts[:random.IntN(len(facts)+1)]...)
			}
			l.TellAs(facts...)
			if random.IntN(3) == 0 { // an old one, late
				old, err := logged(w, 1+random.Uint64N(next[w])).Number()
				if err != nil {
					rt.Fatal(err)
				}
				l.TellAs(old...)
			}
		}
		got, err := l.Alerts("R1", 1000)
		if err != nil || len(got) != alerts {
			rt.Fatalf("%d alerts, %v; want %d", len(got), err, alerts)
		}
		run, err := l.Run("R1")
		if err != nil {
			rt.Fatal(err)
		}
		for w, n := range next {
			last, err := l.LastSequence("R1", w)
			if err != nil || event.BatchTaken(last) != n {
				rt.Fatalf("%s: batch %d was taken, %v; want %d", w, event.BatchTaken(last), err, n)
			}
			if run.Tags[string(w)] != fmt.Sprint(n) {
				rt.Fatalf("%s: an old batch came to count again: %v", w, run.Tags)
			}
			series, err := l.Series("R1", readmodel.SeriesQuery{Keys: []string{"loss", "seen"}, Writers: []event.WriterID{w}})
			if err != nil || len(series) != 2 || series[0].Points != int64(n) || series[1].Points != int64(n) {
				rt.Fatalf("%s: %v, %v; want %d points each", w, series, err, n)
			}
		}
		l.End()
	})
}

func TestAWriterSequenceIsOfItsRun(t *testing.T) {
	l := readmodeltest.Start(t)
	l.Tell(event.RunRequested{Run: "R1", Spec: event.Spec{Kind: event.External}})
	if n, err := l.LastSequence("R1", "w"); n != 0 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	if _, err := l.LastSequence("R2", "w"); !errors.Is(err, readmodel.ErrNotFound) {
		t.Fatal(err)
	}
	for sequence, want := range map[uint64]uint64{0: 0, 1 << 16: 0, event.BatchEnd(1): 1, 2<<16 | 7: 1, event.BatchEnd(9): 9} {
		if got := event.BatchTaken(sequence); got != want {
			t.Errorf("after %x batch %d was taken, want %d", sequence, got, want)
		}
	}
}

func TestASilentRunComesBackWhenItLogs(t *testing.T) {
	l := readmodeltest.Start(t)
	l.Tell(
		event.RunRequested{Run: "R1", Spec: event.Spec{Kind: event.External}},
		event.RunEnded{Run: "R1", Attempt: 1, Status: event.Crashed, Failure: &event.Failure{Code: "silent"}},
	)
	if r, _ := l.Run("R1"); r.Status != event.Crashed || r.EndedAt.IsZero() {
		t.Fatalf("%+v", r)
	}
	l.Tell(event.RunHeartbeat{Run: "R1", Writer: "w"})
	r, err := l.Run("R1")
	if err != nil || r.Status != event.Running || !r.EndedAt.IsZero() || r.Failure != nil || r.Attempts[0].Status != "" || !strings.HasPrefix(string(r.Kind), "ext") {
		t.Fatalf("%+v, %v", r, err)
	}
	l.Tell(event.RunEnded{Run: "R1", Attempt: 1, Status: event.Finished}, event.RunHeartbeat{Run: "R1", Writer: "w"})
	if r, _ := l.Run("R1"); r.Status != event.Finished {
		t.Fatalf("a heartbeat after the end made it %s", r.Status)
	}
}
