package ingest_test

import (
	"testing"
	"time"

	"millrace/event"
)

// TestARunBeginsAndEndsWhenItsScriptSaysSo: whoever was offline says later when it was. A clock in 1970 is believed, as for points; one
// that is ahead of the node's is not.
func TestARunBeginsAndEndsWhenItsScriptSaysSo(t *testing.T) {
	l := start(t)
	times := func(id string) (started, ended int64) {
		t.Helper()
		run, err := l.model.Run(event.RunID(id))
		if err != nil {
			t.Fatal(err)
		}
		if a := run.Attempts[len(run.Attempts)-1]; len(run.Attempts) == 1 && (!a.StartedAt.Equal(run.StartedAt) || !a.EndedAt.Equal(run.EndedAt)) {
			t.Errorf("%s: the attempt and the run differ: %+v %+v", id, a, run)
		}
		return run.StartedAt.UnixMicro(), run.EndedAt.UnixMicro()
	}
	before := time.Now().UnixMicro()
	l.ok("/runs", `{"id":"R1","time":"2026-01-02T03:04:05.25Z"}`)
	l.ok("/runs/R1/end", `{"status":"finished","time":1767326645.5}`)
	if started, ended := times("R1"); started != 1767323045250000 || ended != 1767326645500000 {
		t.Errorf("it went from %d to %d", started, ended)
	}
	if run, err := l.model.Run("R1"); err != nil || run.CreatedAt.UnixMicro() < before || run.HeartbeatAt.UnixMicro() < before {
		t.Errorf("it is known since %v, and was last heard of %v, %v", run.CreatedAt, run.HeartbeatAt, err)
	}
	l.ok("/runs/R1/resume", `{"time":1767330000}`)
	run, err := l.model.Run("R1")
	if err != nil || len(run.Attempts) != 2 || run.Attempts[1].StartedAt.Unix() != 1767330000 || run.StartedAt.UnixMicro() != 1767323045250000 || !run.EndedAt.IsZero() {
		t.Errorf("%+v, %v", run, err)
	}

	l.ok("/runs", `{"id":"R2","time":-86400}`)
	l.ok("/runs/R2/end", `{"status":"failed","time":-172800}`) // a clock that was put back: nothing ends before it begins
	if started, ended := times("R2"); started != -86400e6 || ended != -86400e6 {
		t.Errorf("it went from %d to %d", started, ended)
	}
	for id, at := range map[string]string{"R3": `"9999-12-31T23:59:59Z"`, "R4": `null`, "R5": `0`} {
		l.ok("/runs", `{"id":"`+id+`","time":`+at+`}`)
		l.ok("/runs/"+id+"/end", `{"status":"stopped","time":`+at+`}`)
		now := time.Now().UnixMicro()
		if started, ended := times(id); started < before || ended < started || ended > now {
			t.Errorf("%s: it went from %d to %d", id, started, ended)
		}
	}
	l.ok("/runs", `{"id":"R6"}`)
	for _, at := range []string{`1790000000000`, `"yesterday"`, `true`, `"NaN"`, `[1]`, `-62135596801`} {
		l.refused("/runs", `{"id":"R7","time":`+at+`}`, "INVALID", "time", "time")
		l.refused("/runs/R6/end", `{"status":"finished","time":`+at+`}`, "INVALID", "time", "time")
		l.refused("/runs/R5/resume", `{"time":`+at+`}`, "INVALID", "time", "time")
	}
	if run, err := l.model.Run("R6"); err != nil || run.Status != "running" {
		t.Errorf("%+v %v", run.Status, err)
	}
}
