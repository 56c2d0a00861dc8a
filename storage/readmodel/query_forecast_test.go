package readmodel_test

import (
	"math"
	"testing"
	"time"

	"millrace/event"
	"millrace/storage/readmodel/readmodeltest"
)

// A run of 1,000 steps at ten a second, after a slow beginning, on two devices at 36 dollars an hour: a cent a device-second.
func TestForecast(t *testing.T) {
	l := readmodeltest.Start(t)
	defer l.End()
	l.Tell(event.PriceSet{Device: "gpu:*", PerHour: 36, From: "2020-01-01", Source: "test"})
	ask := func() (float64, float64, float64, bool) {
		t.Helper()
		f, ok, err := l.Forecast("r")
		if err != nil {
			t.Fatal(err)
		}
		return f.SecondsLeft.Typical, f.DeviceSeconds.Typical, f.Dollars.Typical, ok
	}
	begun := l.Tell(event.RunRequested{Run: "r", Spec: event.Spec{Kind: event.Train}})
	if _, _, _, ok := ask(); ok {
		t.Error("a run that waits has a forecast")
	}
	l.Tell(event.RunStarted{Run: "r", Attempt: 1, Worker: "w"})
	run, err := l.Run("r")
	if err != nil || begun == 0 {
		t.Fatal(err)
	}
	start := run.Attempts[0].StartedAt
	series := event.Series{Key: "train/loss"}
	at := start.Add(10 * time.Second) // until the first step
	for step := int64(1); step <= 600; step++ {
		at = at.Add(100 * time.Millisecond)
		series.Steps, series.Times, series.Values = append(series.Steps, step), append(series.Times, at.UnixMicro()), append(series.Values, 1)
	}
	l.Tell(event.MetricsLogged{Frames: []event.Frame{{Run: "r", Writer: "w", Series: []event.Series{series}}}})
	if _, _, _, ok := ask(); ok {
		t.Error("nobody has said how much there is to do")
	}
	l.Tell(event.RunProgressed{Run: "r", Phase: "train", Done: 600, Total: 1000, Unit: "steps"})
	seconds, devices, dollars, ok := ask()
	if !ok || math.Abs(seconds-40) > 0.5 || devices != 0 || dollars != 0 {
		t.Errorf("%v s left, %v device-seconds, %v dollars, %v", seconds, devices, dollars, ok)
	}
	l.TellAs(event.Envelope{Time: at, Event: event.ResourcesSpent{Run: "r", Attempt: 1, Worker: "w", Device: event.Device{Kind: "gpu", Name: "x", Count: 2}, Seconds: 140}})
	seconds, devices, dollars, ok = ask()
	if !ok || math.Abs(seconds-40) > 0.5 || math.Abs(devices-220) > 2 || math.Abs(dollars-2.2) > 0.02 {
		t.Errorf("%v s left, %v device-seconds, %v dollars, %v", seconds, devices, dollars, ok)
	}
	// After a crash the next attempt's pace counts, and what both have spent.
	l.TellAs(event.Envelope{Time: at.Add(time.Minute), Event: event.RunStarted{Run: "r", Attempt: 2, Worker: "w"}})
	if _, _, _, ok := ask(); ok {
		t.Error("the new attempt has done nothing yet")
	}
	l.Tell(event.RunEnded{Run: "r", Attempt: 2, Status: event.Finished})
	if _, _, _, ok := ask(); ok {
		t.Error("a run that has ended has a forecast")
	}
}

// Of an evaluation only its progress is known.
func TestForecastFromProgress(t *testing.T) {
	l := readmodeltest.Start(t)
	defer l.End()
	l.Tell(event.RunRequested{Run: "e", Spec: event.Spec{Kind: event.Evaluate}}, event.RunStarted{Run: "e", Attempt: 1, Worker: "w"})
	run, err := l.Run("e")
	if err != nil {
		t.Fatal(err)
	}
	at := run.Attempts[0].StartedAt.Add(20 * time.Second)
	l.TellAs(event.Envelope{Time: at, Event: event.RunProgressed{Run: "e", Phase: "score", Done: 250, Total: 1000, Unit: "tokens"}})
	f, ok, err := l.Forecast("e")
	if err != nil || !ok || math.Abs(f.SecondsLeft.Typical-60) > 1e-6 || !f.EndsAt.Equal(at.Add(time.Minute)) || f.SecondsLeft.Low >= 60 || f.SecondsLeft.High <= 60 {
		t.Errorf("%+v %v %v", f, ok, err)
	}
}
