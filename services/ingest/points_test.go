package ingest_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"millrace/event"
	"millrace/storage/readmodel"
)

func TestAScriptOpensARunLogsAndEndsIt(t *testing.T) {
	l := start(t)
	got := l.ok("/runs", `{"id":"R1","name":"theirs","experiment":"foreign","config":{"lr":0.1},"tags":{"team":"a"},"labels":["x"],"note":"hello",
		"group":"g","jobType":"train","environment":{"host":"rack-7","os":"linux"},"code":{"revision":"abc"},"by":"ada","heartbeatSeconds":30}`)
	if got.Status != 201 || got.ID != "R1" || got.Kind != "external" || string(got.RunStatus) != `"running"` || !strings.HasSuffix(got.URL, "/run/R1") {
		t.Fatalf("%+v", got)
	}
	run, err := l.model.Run("R1")
	if err != nil || run.Note != "hello" || run.Group != "g" || run.JobType != "train" || run.HeartbeatSeconds != 30 || run.Environment().Host != "rack-7" ||
		run.Spec.Code.Revision != "abc" || string(run.Spec.Config) != `{"lr":0.1}` || run.Tags["team"] != "a" || run.StartedAt.IsZero() {
		t.Fatalf("%+v, %v", run, err)
	}
	if x, err := l.model.ExperimentByName("foreign"); err != nil || x.ID != run.Experiment {
		t.Fatalf("%v, %v", x, err)
	}
	if again := l.ok("/runs", `{"id":"R1","name":"another"}`); again.Status != 200 || again.Name != "theirs" {
		t.Fatalf("the same id again: %+v", again)
	}
	got = l.ok("/runs/R1/points?wait=1", `{"writer":"rank0","sequence":1,"points":[
		{"key":"loss","step":1,"value":5.5,"time":1790000000.25},{"key":"lr","step":1,"value":1e-3,"context":{"group":"a"}},
		{"key":"loss","step":2,"value":"NaN","time":"2026-11-21T09:30:00.5Z"},{"key":"loss","step":3,"value":Infinity},{"step":-4,"value":-Infinity,"key":"loss"}],
		"series":[{"key":"acc","steps":[1,2],"values":[0.5,NaN],"times":[5,6]}]}`)
	if got.Accepted != 7 || got.Duplicate || got.Seq == 0 || got.Run.Status != "running" {
		t.Fatalf("%+v", got)
	}
	series, err := l.model.Series("R1", readmodel.SeriesQuery{Keys: []string{"loss", "lr", "acc"}})
	if err != nil || len(series) != 3 {
		t.Fatalf("%+v, %v", series, err)
	}
	loss := series[1]
	if fmt.Sprint(loss.Steps) != "[-4 1 2 3]" || fmt.Sprint(loss.Values) != "[-Inf 5.5 NaN +Inf]" || loss.Times[1] != 1790000000250000 || loss.Times[2] != 1795253400500000 || loss.Times[0] < 1.7e15 {
		t.Fatalf("%+v", loss)
	}
	if series[2].Context != `{"group":"a"}` || fmt.Sprint(series[0].Times) != "[5000000 6000000]" {
		t.Fatalf("%+v", series)
	}
	if got := l.do("GET", "/runs/R1/writers/rank0", nil); got.Sequence != 1 {
		t.Fatalf("%+v", got)
	}
	if _, err := l.tracker.Submit(t.Context(), event.RunStopRequested{Run: "R1", Reason: "enough"}); err != nil {
		t.Fatal(err)
	}
	if got := l.ok("/runs/R1/heartbeat", `{"writer":"rank0"}`); !got.StopRequested || got.StopReason != "enough" {
		t.Fatalf("%+v", got)
	}
	if got := l.ok("/runs/R1/end", `{"writer":"rank0","status":"failed","exitCode":137,"failure":{"code":"oom","message":"killed","hint":"smaller"}}`); string(got.RunStatus) != `"failed"` {
		t.Fatalf("%+v", got)
	}
	l.refused("/runs/R1/end", `{"status":"finished"}`, "CONFLICT", "status", "ended already")
	if run, _ := l.model.Run("R1"); run.Failure.Hint != "smaller" || *run.Attempts[0].ExitCode != 137 {
		t.Fatalf("%+v", run)
	}
	if got := l.ok("/runs/R1/resume", `{"by":"ada"}`); string(got.RunStatus) != `"running"` {
		t.Fatalf("%+v", got)
	}
	if got := l.ok("/runs/R1/resume", ``); string(got.RunStatus) != `"running"` {
		t.Fatalf("%+v", got)
	}
	if run, _ := l.model.Run("R1"); len(run.Attempts) != 2 || run.Attempts[1].Environment.Host != "rack-7" {
		t.Fatalf("%+v", run.Attempts)
	}
}

func TestABatchSentAgainIsTakenOnce(t *testing.T) {
	l := start(t)
	l.ok("/runs", `{"id":"R1"}`)
	body := `{"writer":"w","sequence":%d,"points":[{"key":"k","step":%d,"value":1}]}`
	for n := 1; n <= 3; n++ {
		if got := l.ok("/runs/R1/points?wait=1", fmt.Sprintf(body, n, n)); got.Duplicate {
			t.Fatalf("batch %d: %+v", n, got)
		}
	}
	was := l.last()
	for n := 1; n <= 3; n++ {
		if got := l.ok("/runs/R1/points", fmt.Sprintf(body, n, n)); !got.Duplicate || got.Accepted != 1 || got.Seq < was {
			t.Fatalf("batch %d again: %+v", n, got)
		}
	}
	if is := l.last(); is != was {
		t.Fatalf("repeats brought %d facts", is-was)
	}
	// Another writer counts for itself, and so does another run.
	if got := l.ok("/runs/R1/points?wait=1", `{"writer":"v","sequence":1,"points":[{"key":"k","step":1,"value":1}]}`); got.Duplicate {
		t.Fatalf("%+v", got)
	}
}

func TestPointsComeAsColumnFramesAndAsGzip(t *testing.T) {
	l := start(t)
	l.ok("/runs", `{"id":"R1"}`)
	frames, err := event.AppendFrames(nil, []event.Frame{
		{Run: "R1", Writer: "w", Series: []event.Series{{Key: "k", Steps: []int64{1, 2}, Times: []int64{7, 0}, Values: []float64{1, math.Inf(-1)}}}},
		{Run: "R1", Writer: "w", Identity: event.ByContent, Series: []event.Series{{Key: "set", Steps: []int64{1, 1}, Times: []int64{7, 8}, Values: []float64{1, 2}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	kind := []string{"Content-Type", "application/vnd.millrace.frames.v1", "Millrace-Sequence", "4"}
	if got := l.do("POST", "/runs/R1/points?wait=1", bytes.NewReader(frames), kind...); got.Status != 200 || got.Accepted != 4 {
		t.Fatalf("%+v", got)
	}
	if got := l.do("GET", "/runs/R1/writers/w", nil); got.Sequence != 4 {
		t.Fatalf("%+v", got)
	}
	if got := l.do("POST", "/runs/R1/points", zipped(string(frames)), append(kind, "Content-Encoding", "gzip")...); !got.Duplicate {
		t.Fatalf("%+v", got)
	}
	series, err := l.model.Series("R1", readmodel.SeriesQuery{Keys: []string{"k", "set"}})
	if err != nil || len(series) != 2 || series[0].Times[0] != 7 || series[0].Times[1] < 1.7e15 || series[1].Points != 2 {
		t.Fatalf("%+v, %v", series, err)
	}
	got := l.do("POST", "/runs/R1/points?wait=1", zipped(`{"writer":"z","points":[{"key":"k","step":1,"value":1}]}`), "Content-Encoding", "gzip")
	if got.Accepted != 1 || got.Duplicate {
		t.Fatalf("%+v", got)
	}
	for _, c := range []struct{ what, run, says string }{
		{"another run's", "R2", "frame 0 is of run R2"}, {"cut off", "R1", "checksum"}, {"nothing", "R1", "not a column frame"},
	} {
		raw, _ := event.AppendFrames(nil, []event.Frame{{Run: event.RunID(c.run), Writer: "w"}})
		if c.what == "cut off" {
			raw = raw[:len(raw)-1]
		}
		if c.what == "nothing" {
			raw = nil
		}
		if got := l.do("POST", "/runs/R1/points", bytes.NewReader(raw), kind...); got.Status != 400 || !strings.Contains(got.Error.Message, c.says) {
			t.Errorf("frames %s: %+v", c.what, got)
		}
	}
}

// TestBadInput is the list: a clear error with a code and a place, nothing half-applied, other runs untouched.
func TestBadInput(t *testing.T) {
	l := start(t)
	l.ok("/runs", `{"id":"R1"}`)
	l.ok("/runs", `{"id":"gone"}`)
	if _, err := l.tracker.Submit(t.Context(), event.RunDeleted{Run: "gone"}); err != nil {
		t.Fatal(err)
	}
	one := `{"writer":"w","sequence":1,"points":[{"key":"k","step":1,"value":1}]}`
	l.refused("/runs/R9/points", one, "NOT_FOUND", "id", "no run")
	l.refused("/runs/gone/points", one, "NOT_FOUND", "id", "no run")
	l.refused("/runs/a.b/points", one, "INVALID", "id", "cannot name a run")
	l.refused("/runs", `{"id":"gone"}`, "CONFLICT", "id", "deleted")
	l.refused("/runs", `{"id":"a b"}`, "INVALID", "id", "cannot name a run")
	l.refused("/runs", `{"nmae":"x"}`, "INVALID", "nmae", "no such field")
	l.refused("/runs", `{"name":7}`, "INVALID", "name", "number cannot be a string")
	l.refused("/runs", `{"config":[1]}`, "INVALID", "config", "object")
	l.refused("/runs", `{"heartbeatSeconds":-1}`, "INVALID", "heartbeatSeconds", "choose 1 to")
	l.refused("/runs", `{"fork":{"run":"R9","step":1}}`, "NOT_FOUND", "fork", "no run")
	l.refused("/runs", `{"inputs":[{"role":"model","digest":"md5:1"}]}`, "INVALID", "inputs", "digest")
	l.refused("/runs", `{"inputs":[{"role":"dataset","digest":"nowhere"}]}`, "NOT_FOUND", "inputs", "no dataset")

	point := func(p string) string {
		return `{"writer":"w","sequence":1,"points":[{"key":"k","step":1,"value":1},` + p + `,{"key":"k","step":3,"value":3}]}`
	}
	for _, c := range []struct{ point, field, says string }{
		{`{"key":"k","step":2,"value":"many"}`, "points[1].value", `"many" is no value`},
		{`{"key":"k","step":2,"value":null}`, "points[1].value", "'n' at byte"},
		{`{"key":"k","step":2,"value":true}`, "points[1].value", "'t' at byte"},
		{`{"key":"k","step":2,"value":1e999}`, "points[1].value", "beyond"},
		{`{"key":"k","step":2,"value":01}`, "points[1].value", "number"},
		{`{"key":"k","step":2.5,"value":1}`, "points[1].step", "2.5 is not a whole number"},
		{`{"key":"k","step":9223372036854775808,"value":1}`, "points[1].step", "64 bits"},
		{`{"key":"k","step":"2","value":1}`, "points[1].step", "whole number"},
		{`{"key":"","step":2,"value":1}`, "points[1].key", "1-1024 bytes"},
		{`{"key":"` + strings.Repeat("x", 1025) + `","step":2,"value":1}`, "points[1].key", "has 1025"},
		{`{"key":7,"step":2,"value":1}`, "points[1].key", "a string"},
		{`{"step":2,"value":1}`, "points[1].key", "missing"},
		{`{"key":"k","value":1}`, "points[1].step", "missing"},
		{`{"key":"k","step":2}`, "points[1].value", "missing"},
		{`{"key":"k","step":2,"step":3,"value":1}`, "points[1].step", "twice"},
		{`{"key":"k","step":2,"valeu":1,"value":1}`, "points[1].valeu", "no such field"},
		{`{"key":"k","step":2,"value":1,"time":"yesterday"}`, "points[1].time", "no time"},
		{`{"key":"k","step":2,"value":1,"time":1790000000000}`, "points[1].time", "years 1 to 9999"},
		{`{"key":"k","step":2,"value":1,"context":[1]}`, "points[1].context", "an object"},
		{`{"key":"k","step":2,"value":1,"context":"nope"}`, "points[1].context", "a context is a JSON object"},
		{`7`, "points[1]", "an object"},
		{`{"key":"k","step":2,"value":1`, "points[1]", "where"},
	} {
		l.refused("/runs/R1/points", point(c.point), "INVALID", c.field, c.says)
	}
	for _, c := range []struct{ body, field, says string }{
		{``, "", "the body ends"}, {`{`, "", "the body ends"}, {`[]`, "", "an object"}, {`{"writer":"w"}`, "points", "missing"},
		{`{"points":[]}`, "writer", "missing"}, {`{"writer":"a b","points":[]}`, "writer", "cannot name"}, {`{"writer":"w","points":[]} x`, "", "the end"},
		{`{"writer":"w","sequence":-1,"points":[]}`, "sequence", "not negative"}, {`{"writer":"w","sequence":1.5,"points":[]}`, "sequence", "whole"},
		{`{"writer":"w","sequence":281474976710656,"points":[]}`, "sequence", "at most"}, {`{"writer":"w","points":[],"points":[]}`, "points", "twice"},
		{`{"writer":"w","pionts":[]}`, "pionts", "no such field"}, {"{\"writer\":\"w\",\"points\":[{\"key\":\"\xff\",\"step\":1,\"value\":1}]}", "points[0].key", "UTF-8"},
		{`{"writer":"w","series":[{"key":"k","steps":[1,2],"values":[1]}]}`, "series[0]", "2 steps"},
		{`{"writer":"w","series":[{"key":"k","steps":[1],"values":["x"]}]}`, "series[0].values[0]", "no value"},
		{`{"writer":"w","series":[{"steps":[1],"values":[1]}]}`, "series[0].key", "missing"},
	} {
		l.refused("/runs/R1/points", c.body, "INVALID", c.field, c.says)
	}
	// A 10 MB key, a batch that is too long, a bomb.
	l.refused("/runs/R1/points", point(`{"key":"`+strings.Repeat("x", 10<<20)+`","step":2,"value":1}`), "TOO_LARGE", "", "too large")
	l.refused("/runs/R1/points", point(`{"key":"`+strings.Repeat("x", 7<<20)+`","step":2,"value":1}`), "INVALID", "points[1].key", "has 7340032")
	l.refused("/runs/R1/points", `{"writer":"w","points":[`+strings.Repeat(`{"key":"k","step":1,"value":1},`, 100_000)+`{"key":"k","step":1,"value":1}]}`, "TOO_LARGE", "points[100000]", "100000 points")
	was := l.last()
	if got := l.do("POST", "/runs/R1/points", zipped(strings.Repeat(" ", 64<<20)), "Content-Encoding", "gzip"); got.Error.Code != "TOO_LARGE" || got.Status != 413 {
		t.Errorf("a bomb: %+v", got)
	}
	if got := l.do("POST", "/runs/R1/points", strings.NewReader(one), "Content-Encoding", "gzip"); got.Error.Code != "INVALID" || !strings.Contains(got.Error.Message, "not gzip") {
		t.Errorf("no gzip: %+v", got)
	}
	whole := zipped(point(`{"key":"k","step":2,"value":2}`)).Bytes()
	if got := l.do("POST", "/runs/R1/points", bytes.NewReader(whole[:len(whole)-9]), "Content-Encoding", "gzip"); got.Error.Code != "INVALID" {
		t.Errorf("cut gzip: %+v", got)
	}
	if got := l.do("POST", "/runs/R1/points", strings.NewReader(one), "Content-Encoding", "br"); got.Error.Code != "INVALID" {
		t.Errorf("brotli: %+v", got)
	}
	if got := l.do("GET", "/runs/R9", nil); got.Status != 404 || got.Error.Code != "NOT_FOUND" {
		t.Errorf("%+v", got)
	}
	if got := l.do("DELETE", "/runs/R1", nil); got.Status != 404 {
		t.Errorf("%+v", got)
	}
	if is := l.last(); is != was {
		t.Errorf("%d facts came of what was refused", is-was)
	}
	if _, err := l.model.Keys("R1"); err != nil {
		t.Error(err)
	}
	if keys, _ := l.model.Keys("R1"); len(keys) != 0 {
		t.Errorf("something was half-applied: %+v", keys)
	}
	if _, err := l.model.Run("gone"); !errors.Is(err, readmodel.ErrNotFound) {
		t.Error(err)
	}
	// A clock in 1970 is believed; no clock at all is the arrival.
	l.ok("/runs/R1/points?wait=1", `{"writer":"w","points":[{"key":"t","step":1,"value":1,"time":3600},{"key":"t","step":2,"value":1,"time":0},{"key":"t","step":3,"value":1,"time":null},{"key":"t","step":4,"value":1,"time":-86400}]}`)
	series, err := l.model.Series("R1", readmodel.SeriesQuery{Keys: []string{"t"}})
	if err != nil || series[0].Times[0] != 3600e6 || series[0].Times[1] < 1.7e15 || series[0].Times[2] < 1.7e15 || series[0].Times[3] != -86400e6 {
		t.Fatalf("%+v, %v", series, err)
	}
	if n := l.door.Counts().Invalid.Load(); n < 50 {
		t.Errorf("%d requests are counted as at fault", n)
	}
}

func TestPointsGoToAnyRunThatIsThere(t *testing.T) {
	l := start(t)
	seq, err := l.bus.Publish(t.Context(), event.RunRequested{Run: "T1", Spec: event.Spec{Kind: event.Train}})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.model.WaitFor(t.Context(), seq); err != nil {
		t.Fatal(err)
	}
	l.ok("/runs/T1/points", `{"writer":"judge","points":[{"key":"score","step":100,"value":1}]}`)
	l.refused("/runs", `{"id":"T1"}`, "CONFLICT", "id", "train run of this platform")
	l.refused("/runs/T1/end", `{"status":"finished"}`, "CONFLICT", "id", "its worker ends it")
	l.refused("/runs/T1/resume", ``, "CONFLICT", "id", "its workers start it")
}

func TestARunIsRewoundAndForkedWithoutLosingItsHistory(t *testing.T) {
	l := start(t)
	l.ok("/runs", `{"id":"R1"}`)
	l.ok("/runs/R1/points", `{"writer":"w","sequence":1,"series":[{"key":"k","steps":[1,2,3],"values":[1,2,3]}]}`)
	l.refused("/runs/R1/rewind", `{}`, "INVALID", "step", "missing")
	l.refused("/runs/R1/rewind", `{"step":-1}`, "INVALID", "step", "not a step")
	if got := l.ok("/runs/R1/rewind", `{"step":1}`); got.RewoundTo == nil || *got.RewoundTo != 1 {
		t.Fatalf("%+v", got)
	}
	// What was hidden does not come back by being sent again, and can be logged anew.
	if got := l.ok("/runs/R1/points", `{"writer":"w","sequence":1,"series":[{"key":"k","steps":[1,2,3],"values":[1,2,3]}]}`); !got.Duplicate {
		t.Fatalf("%+v", got)
	}
	l.ok("/runs/R1/points?wait=1", `{"writer":"w","sequence":2,"series":[{"key":"k","steps":[2],"values":[20]}]}`)
	series, err := l.model.Series("R1", readmodel.SeriesQuery{Keys: []string{"k"}})
	if err != nil || fmt.Sprint(series[0].Steps, series[0].Values) != "[1 2] [1 20]" {
		t.Fatalf("%+v, %v", series, err)
	}
	if got := l.ok("/runs", `{"id":"F1","fork":{"run":"R1","step":1}}`); got.Status != 201 {
		t.Fatalf("%+v", got)
	}
	if run, err := l.model.Run("F1"); err != nil || run.Branch == nil || run.Branch.From != "R1" || run.Branch.Step != 1 || run.Branch.Kind != event.Fork {
		t.Fatalf("%+v, %v", run, err)
	}
}
