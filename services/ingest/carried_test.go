package ingest_test

import (
	"errors"
	"fmt"
	"testing"

	"millrace/event"
	"millrace/storage/readmodel"
)

// TestABatchOfManyKindsIsFewMessages: parameters, which are taken on a condition, alerts, which are known by their place, and points travel
// by themselves; all else is one durable write.
func TestABatchOfManyKindsIsFewMessages(t *testing.T) {
	l := start(t)
	l.ok("/runs", `{"id":"R1"}`)
	was := l.last()
	l.ok("/runs/R1/log", fmt.Sprintf(everything, 1))
	if n := l.last() - was; n != 4 {
		t.Errorf("16 facts took %d messages: want 4", n)
	}
	was = l.last()
	l.ok("/runs/R1/log", `{"writer":"rank0","sequence":2,"entries":[{"note":"x"}]}`)
	if n := l.last() - was; n != 1 {
		t.Errorf("one fact took %d messages", n)
	}
	if env, err := l.bus.At(t.Context(), l.last()); err != nil || env.Event.Type() != "run.noted" {
		t.Errorf("a fact that is alone is carried by nothing: %+v, %v", env, err)
	}
}

// TestABatchThatBrokeOffIsCompleted has the log hold the first messages of a batch, as a kill between two of them leaves it; the same
// batch sent again brings the rest, and nothing twice.
func TestABatchThatBrokeOffIsCompleted(t *testing.T) {
	whole := start(t)
	whole.ok("/runs", `{"id":"R1"}`)
	from := whole.last()
	whole.ok("/runs/R1/log?wait=1", fmt.Sprintf(everything, 1))
	var log []event.Envelope
	end, last := errors.New("end"), whole.last()
	if err := whole.bus.Follow(t.Context(), from+1, nil, func(env event.Envelope) error {
		if log = append(log, env); env.Seq == last {
			return end
		}
		return nil
	}); !errors.Is(err, end) {
		t.Fatal(err)
	}
	read := func(l *lab) string {
		m := l.model
		run, err := m.Run("R1")
		config, cerr := m.Config("R1")
		alerts, aerr := m.Alerts("R1", 100)
		lines, lerr := m.Lines("R1", "stderr", 0, 10)
		texts, terr := m.Texts("R1", "sample", 5)
		rows, rerr := m.Rows("R1", "history", 0, 5)
		series, serr := m.Series("R1", readmodel.SeriesQuery{Keys: []string{"loss", "acc"}})
		if err := errors.Join(err, cerr, aerr, lerr, terr, rerr, serr); err != nil {
			t.Fatal(err)
		}
		points := 0
		for _, s := range series {
			points += int(s.Points)
		}
		return fmt.Sprint(run.Tags, run.Labels, run.Note, run.Progress.Done, run.Spent[0].Seconds, run.Usage.Usage.CPUPercent, string(config), len(alerts), len(lines), len(texts), len(rows), len(series), points)
	}
	want := read(whole)
	for there := range len(log) + 1 {
		t.Run(fmt.Sprint(there, " of ", len(log)), func(t *testing.T) {
			l := start(t)
			l.ok("/runs", `{"id":"R1"}`)
			for _, env := range log[:there] {
				if _, err := l.bus.PublishAs(t.Context(), event.Envelope{Event: env.Event, ID: env.ID, Writer: env.Writer, Sequence: env.Sequence}); err != nil {
					t.Fatal(err)
				}
			}
			l.ok("/runs/R1/log?wait=1", fmt.Sprintf(everything, 1))
			if got := read(l); got != want {
				t.Errorf("%s\nwant %s", got, want)
			}
		})
	}
}
