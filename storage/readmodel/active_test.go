package readmodel_test

import (
	"testing"
	"time"

	"millrace/event"
	"millrace/storage/readmodel/readmodeltest"
)

// A run's seconds are those in which it was worked at: neither a pause, nor the wait for a worker, nor the time after its worker died.
func TestSecondsAreThoseInWhichARunIsWorkedAt(t *testing.T) {
	l := readmodeltest.Start(t)
	defer l.End()
	at := func(s int) time.Time { return readmodeltest.Begin.Add(time.Duration(s) * time.Second) }
	say := func(s int, e event.Event) { l.TellAs(event.Envelope{Time: at(s), Event: e}) }
	is := func(now int, want float64) {
		t.Helper()
		r, err := l.Run("r")
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Worked(at(now)).Seconds(); got != want {
			t.Errorf("%v seconds at %d, want %v: %+v", got, now, want, r.Attempts)
		}
	}
	cpu := func(attempt int, seconds float64) event.Event {
		return event.ResourcesSpent{Run: "r", Attempt: attempt, Worker: "w", Device: event.Device{Kind: "cpu", Name: "x", Count: 1}, Seconds: event.Number(seconds)}
	}
	say(0, event.RunRequested{Run: "r", Spec: event.Spec{Kind: event.Train}})
	is(5, 0)
	say(10, event.RunStarted{Run: "r", Attempt: 1, Worker: "w"})
	say(20, cpu(1, 10))
	is(25, 15)
	say(30, event.RunEnded{Run: "r", Attempt: 1, Status: event.Paused})
	is(500, 20)
	say(1000, event.RunRequested{Run: "r", Resume: 1, Attempts: 1})
	is(1050, 20) // nobody has it
	say(1100, event.RunStarted{Run: "r", Attempt: 2, Worker: "w"})
	say(1110, cpu(2, 10))
	is(1115, 35)
	is(5000, 30) // its worker is dead, as it seems: up to its last sign of life
	say(6000, event.RunStarted{Run: "r", Attempt: 3, Worker: "v"})
	is(6001, 31)
	say(6010, cpu(3, 10))
	say(6011, event.RunEnded{Run: "r", Attempt: 3, Status: event.Finished})
	is(9000, 41)
	bill, err := l.RunCost("r", at(9000))
	if err != nil || bill.DeviceSeconds != 30 {
		t.Errorf("%+v %v", bill, err)
	}
	// A fork begins at nothing: what its parent took is its parent's.
	say(9001, event.RunRequested{Run: "f", Spec: event.Spec{Kind: event.Train}, Branch: &event.Branch{From: "r", Kind: event.Fork}})
	say(9002, event.RunStarted{Run: "f", Attempt: 1, Worker: "w"})
	if f, err := l.Run("f"); err != nil || f.Worked(at(9005)) != 3*time.Second {
		t.Errorf("%v %v", f.Worked(at(9005)), err)
	}
}

// A foreign script that fell silent was worked at until its last sign of life; one that shows another was there all the time.
func TestSecondsOfASilentScript(t *testing.T) {
	l := readmodeltest.Start(t)
	defer l.End()
	at := func(s int) time.Time { return readmodeltest.Begin.Add(time.Duration(s) * time.Second) }
	say := func(s int, e event.Event) { l.TellAs(event.Envelope{Time: at(s), Event: e}) }
	worked := func(now int) float64 {
		t.Helper()
		r, err := l.Run("r")
		if err != nil {
			t.Fatal(err)
		}
		return r.Worked(at(now)).Seconds()
	}
	say(0, event.RunRequested{Run: "r", Spec: event.Spec{Kind: event.External}, HeartbeatSeconds: 60})
	say(50, event.RunHeartbeat{Run: "r", Writer: "w"})
	if got := worked(140); got != 140 { // it announced a sign a minute
		t.Errorf("%v", got)
	}
	say(400, event.RunEnded{Run: "r", Attempt: 1, Status: event.Crashed})
	if got := worked(900); got != 50 {
		t.Errorf("%v", got)
	}
	say(1000, event.RunHeartbeat{Run: "r", Writer: "w"})
	if got := worked(1001); got != 1001 {
		t.Errorf("%v", got)
	}
}
