package ingest_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"millrace/event"
	"millrace/storage/blob"
	"millrace/storage/readmodel"
)

const everything = `{"writer":"rank0","sequence":%d,"entries":[
	{"points":[{"key":"loss","step":1,"value":2.5}]},
	{"params":{"optimizer":{"lr":0.1,"betas":[0.9,0.95],"extra":{}},"seed":7},"writeOnce":true},
	{"params":{"note.to":"self","bad":NaN}},
	{"lines":{"stream":"stderr","first":3,"lines":["a","b"]}},
	{"text":{"key":"sample","step":5,"prompt":"func ","text":"main"}},
	{"rows":{"stream":"history","first":0,"rows":[{"_step":1,"x":NaN},{"_step":2}]}},
	{"series":[{"key":"acc","steps":[1,2],"values":[0.5,0.6]}]},
	{"table":{"key":"tables/worst","step":5,"columns":["text","loss"],"rows":[["a",1],["b",NaN]]}},
	{"usage":{"cpu_percent":50,"rss":1000,"gpus":[{"index":0,"name":"H100","percent":99,"memory_used":1,"memory_total":2,"watts":700}]}},
	{"spent":{"device":{"kind":"gpu","name":"H100","count":8},"seconds":3600,"joules":1e6,"flops":1e15,"tokens":5}},
	{"alert":{"level":"warn","title":"spike","text":"z 8"}},
	{"tags":{"team":"a"}},{"labels":["keep"]},{"note":"watch"},
	{"define":{"key":"loss","goal":"min","summary":["min"]}},
	{"progress":{"phase":"train","done":1,"total":10,"unit":"steps"}},
	{"heartbeat":{}}]}`

func TestEverythingIsLoggedInOneBatchOnce(t *testing.T) {
	l := start(t)
	l.ok("/runs", `{"id":"R1","config":{"a":1}}`)
	for i, duplicate := range []bool{false, true, true} {
		got := l.ok("/runs/R1/log?wait=1", fmt.Sprintf(everything, 1))
		if got.Accepted != 3 || got.Duplicate != duplicate {
			t.Fatalf("time %d: %+v", i, got)
		}
	}
	m := l.model
	run, err := m.Run("R1")
	if err != nil || run.Note != "watch" || run.Tags["team"] != "a" || run.Labels[0] != "keep" || run.Progress.Done != 1 || run.Usage.Usage.GPUs[0].Name != "H100" ||
		run.Usage.Usage.At < 1.7e15 || run.Spent[0].Attempt != 1 || run.Spent[0].Worker != "rank0" || run.Heartbeats["rank0"].IsZero() {
		t.Fatalf("%+v, %v", run, err)
	}
	config, err := m.Config("R1")
	if err != nil || string(config) != `{"a":1,"bad":"NaN","note":{"to":"self"},"optimizer":{"betas":[0.9,0.95],"extra":{},"lr":0.1},"seed":7}` {
		t.Fatalf("%s, %v", config, err)
	}
	if lines, err := m.Lines("R1", "stderr", 0, 10); err != nil || len(lines) != 2 || lines[0].Number != 3 {
		t.Fatalf("%+v, %v", lines, err)
	}
	if texts, err := m.Texts("R1", "sample", 5); err != nil || len(texts) != 1 || texts[0].Prompt != "func " || texts[0].Writer != "rank0" {
		t.Fatalf("%+v, %v", texts, err)
	}
	if rows, err := m.Rows("R1", "history", 0, 5); err != nil || len(rows) != 2 || string(rows[0].Row) != `{"_step":1,"x":"NaN"}` {
		t.Fatalf("%+v, %v", rows, err)
	}
	if alerts, err := m.Alerts("R1", 5); err != nil || len(alerts) != 1 {
		t.Fatalf("an alert that was sent three times is there %d times, %v", len(alerts), err)
	}
	artifacts, err := m.Artifacts("R1")
	if err != nil || len(artifacts) != 1 || artifacts[0].Role != "table" || *artifacts[0].Step != 5 {
		t.Fatalf("%+v, %v", artifacts, err)
	}
	content, err := l.blobs.Get(t.Context(), blob.Digest(artifacts[0].File.Digest))
	if err != nil || string(content) != `{"columns":["text","loss"],"rows":[["a",1],["b","NaN"]]}` {
		t.Fatalf("%s, %v", content, err)
	}
	if bill, err := m.RunCost("R1", time.Now()); err != nil || bill.Dollars <= 0 {
		t.Fatalf("an external run that says what it spent costs %+v, %v", bill, err)
	}
	if usage, err := m.Series("R1", readmodel.SeriesQuery{Keys: []string{"system/gpu.0.watts"}}); err != nil || len(usage) != 1 || usage[0].Last != 700 {
		t.Fatalf("%+v, %v", usage, err)
	}
}

func TestABatchWithAFaultIsRefusedAsAWhole(t *testing.T) {
	l := start(t)
	l.ok("/runs", `{"id":"R1"}`)
	l.ok("/runs/R1/log?wait=1", `{"writer":"w","sequence":1,"entries":[{"params":{"lr":0.1},"writeOnce":true},{"params":{"free":1}}]}`)
	for _, c := range []struct{ entry, code, field, says string }{
		{`{"params":{"lr":0.2}}`, "CONFLICT", "params.lr", "written once"},
		{`{"params":{"free":2},"writeOnce":true}`, "CONFLICT", "params.free", "written once"},
		{`{"params":{"x":1,"x":2},"writeOnce":true}`, "CONFLICT", "params.x", "written once"},
		{`{"params":7}`, "INVALID", "entries[1].params", "an object"},
		{`{"params":{"":1}}`, "INVALID", "entries[1].params", "1-1024"},
		{`{"params":{` + strings.Repeat(`"a":{`, 70) + `"b":1` + strings.Repeat(`}`, 70) + `}}`, "INVALID", "entries[1]", "nested more than"},
		{`{"lines":{"first":-1,"lines":["a"]}}`, "INVALID", "entries[1].lines.first", "counted from 0"},
		{`{"lines":{"lines":["` + strings.Repeat("x", 70_000) + `"]}}`, "INVALID", "entries[1].lines.lines", "has 70000"},
		{`{"lines":{"lines":[7]}}`, "INVALID", "entries[1].lines.lines", "number cannot be a string"},
		{`{"text":{"key":"","text":"x"}}`, "INVALID", "entries[1].text.key", "1-1024"},
		{`{"text":{"key":"k","text":"` + strings.Repeat("x", 600_000) + `"}}`, "INVALID", "entries[1].text.text", "at most 524288"},
		{`{"table":{"key":"../x","columns":["a"],"rows":[]}}`, "INVALID", "entries[1].table.key", "plain path"},
		{`{"table":{"key":"t","columns":["a"],"rows":[[1,2]]}}`, "INVALID", "entries[1].table.rows[0]", "2 cells"},
		{`{"artifact":{"path":"x","digest":"md5:1","size":1}}`, "INVALID", "entries[1].artifact.digest", "is no file"},
		{`{"artifact":{"path":"x","digest":"` + string(event.DigestOf([]byte("absent"))) + `","size":6}}`, "NOT_FOUND", "entries[1].artifact.digest", "not in the store"},
		{`{"artifact":{"path":"/etc/passwd","digest":"` + string(event.DigestOf([]byte("absent"))) + `","size":6}}`, "INVALID", "entries[1].artifact.path", "plain path"},
		{`{"alert":{"level":"fatal","title":"x"}}`, "INVALID", "entries[1].alert.level", "info, warn or error"},
		{`{"spent":{"device":{"kind":"gpu","name":"x"},"seconds":"NaN"}}`, "INVALID", "entries[1].spent.spent", "finite"},
		{`{"spent":{"run":"R2","device":{"kind":"gpu","name":"x"},"seconds":1}}`, "INVALID", "entries[1].spent.run", "R2"},
		{`{"usage":{"cpu":1}}`, "INVALID", "entries[1].usage.cpu", "no such field"},
		{`{"points":[{"key":"k","step":1,"value":1},{"key":"k","step":"x","value":1}]}`, "INVALID", "entries[1].points[1].step", "whole number"},
		{`{"tags":{"":"x"}}`, "INVALID", "entries[1].tags.set", "1-200 bytes"},
		{`{"define":{"key":"k","goal":"up"}}`, "INVALID", "entries[1].define.define", "min or max"},
		{`{"heartbeat":{"x":1}}`, "INVALID", "entries[1].heartbeat.x", "no such field"},
		{`{"note":"a","tags":{}}`, "INVALID", "entries[1]", "one thing in it"},
		{`{"note":"a","writeOnce":true}`, "INVALID", "entries[1].writeOnce", "only params"},
		{`{}`, "INVALID", "entries[1]", "empty"},
		{`7`, "INVALID", "entries[1]", "an object"},
		{`{"mood":"good"}`, "INVALID", "entries[1].mood", "no such field"},
	} {
		l.refused("/runs/R1/log", `{"writer":"w","sequence":2,"entries":[{"note":"must not be there"},`+c.entry+`]}`, c.code, c.field, c.says)
	}
	l.refused("/runs/R1/log", `{"writer":"w","sequence":2,"entrees":[]}`, "INVALID", "entrees", "no such field")
	l.refused("/runs/R1/log", `{"writer":"w"}`, "INVALID", "entries", "missing")
	l.refused("/runs/R9/log", fmt.Sprintf(everything, 1), "NOT_FOUND", "id", "no run")
	l.refused("/runs/R1/log", `{"writer":"w","entries":[`+strings.Repeat(`{"heartbeat":{}},`, 10_000)+`{"heartbeat":{}}]}`, "TOO_LARGE", "entries[10000]", "10000 entries")
	if run, _ := l.model.Run("R1"); run.Note != "" {
		t.Fatal("something was half-applied")
	}
	// The same value is no rewrite.
	l.ok("/runs/R1/log?wait=1", `{"writer":"w","sequence":2,"entries":[{"params":{"lr":0.1}},{"params":{"lr":0.1},"writeOnce":true}]}`)
}

func TestLongListsAreDividedAndStayWhole(t *testing.T) {
	l := start(t)
	l.ok("/runs", `{"id":"R1"}`)
	lines := make([]string, 3000)
	for i := range lines {
		lines[i] = fmt.Sprintf("%d %s", i, strings.Repeat("<&>", 300))
	}
	body := `{"writer":"w","sequence":1,"entries":[{"lines":{"lines":["` + strings.Join(lines, `","`) + `"]}}]}`
	l.ok("/runs/R1/log?wait=1", body)
	if n := l.last(); n < 5 {
		t.Fatalf("%d facts for 3 MB of lines", n)
	}
	if got := l.ok("/runs/R1/log", body); !got.Duplicate {
		t.Fatalf("%+v", got)
	}
	got, err := l.model.Lines("R1", "stdout", 0, 5000)
	if err != nil || len(got) != 3000 || got[2999].Text != lines[2999] {
		t.Fatalf("%d lines, %v", len(got), err)
	}
}

func TestArtifactsGoStraightToTheStore(t *testing.T) {
	l := start(t)
	l.ok("/runs", `{"id":"R1"}`)
	content := bytes.Repeat([]byte("pixels"), 20_000)
	digest := event.DigestOf(content)
	body := fmt.Sprintf(`{"path":"plots/loss.png","role":"image","step":5,"digest":%q,"size":%d,"media":"image/png","writer":"w","sequence":1}`, digest, len(content))
	was := l.last()
	got := l.do("POST", "/runs/R1/artifacts", strings.NewReader(body))
	if got.Status != 202 || got.Upload == nil || got.Through != "/api/v1/blob/"+string(digest) || l.last() != was {
		t.Fatalf("%+v", got)
	}
	put := func(content []byte) int {
		req, err := http.NewRequestWithContext(t.Context(), got.Upload.Method, got.Upload.URL, bytes.NewReader(content))
		if err != nil {
			t.Fatal(err)
		}
		for k, v := range got.Upload.Headers {
			req.Header.Set(k, v)
		}
		resp, err := l.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode
	}
	if status := put(content[1:]); status == 200 {
		t.Fatal("other bytes were taken")
	}
	if again := l.do("POST", "/runs/R1/artifacts", strings.NewReader(body)); again.Status != 202 {
		t.Fatalf("%+v", again)
	}
	if status := put(content); status != 200 {
		t.Fatal(status)
	}
	l.refused("/runs/R1/artifacts", strings.Replace(body, fmt.Sprint(len(content)), "7", 1), "INVALID", "size", "not 7")
	for range 2 {
		if got := l.do("POST", "/runs/R1/artifacts", strings.NewReader(body)); got.Status != 200 || !got.Logged {
			t.Fatalf("%+v", got)
		}
	}
	if as, err := l.model.Artifacts("R1"); err != nil || len(as) != 1 || as[0].Media != "image/png" || as[0].Role != "image" {
		t.Fatalf("%+v, %v", as, err)
	}
	l.refused("/runs/R1/artifacts", strings.Replace(body, "plots/loss.png", "plots/../../x", 1), "INVALID", "path", "plain path")
	l.refused("/runs/R1/artifacts", strings.Replace(body, string(digest), "../../secrets", 1), "INVALID", "digest", "no file")
	l.refused("/runs/R9/artifacts", body, "NOT_FOUND", "id", "no run")
}

func TestBytesGoThroughTheNode(t *testing.T) {
	l := start(t)
	for _, n := range []int{0, 10, 3 << 20} {
		content := bytes.Repeat([]byte("x"), n)
		digest := string(event.DigestOf(content))
		for range 2 {
			if got := l.do("PUT", "/blob/"+digest, bytes.NewReader(content)); got.Status != 200 {
				t.Fatalf("%d bytes: %+v", n, got)
			}
		}
		if info, err := l.blobs.Stat(t.Context(), blob.Digest(digest)); err != nil || info.Size != int64(n) {
			t.Fatalf("%+v, %v", info, err)
		}
	}
	digest := string(event.DigestOf([]byte("these")))
	if got := l.do("PUT", "/blob/"+digest, strings.NewReader("those")); got.Status != 400 || got.Error.Field != "digest" {
		t.Fatalf("%+v", got)
	}
	if got := l.do("PUT", "/blob/sha256:beef", strings.NewReader("those")); got.Status != 400 {
		t.Fatalf("%+v", got)
	}
	big := bytes.Repeat([]byte("y"), 5<<20)
	for _, body := range []io.Reader{bytes.NewReader(big), io.MultiReader(bytes.NewReader(big))} { // of a known length, and of none
		if got := l.do("PUT", "/blob/"+string(event.DigestOf(big)), body); got.Status != 413 || got.Error.Code != "TOO_LARGE" {
			t.Fatalf("%+v", got)
		}
	}
	for _, missing := range []string{digest, string(event.DigestOf([]byte("those"))), string(event.DigestOf(big))} {
		if _, err := l.blobs.Stat(t.Context(), blob.Digest(missing)); err == nil {
			t.Fatalf("%s was stored", missing)
		}
	}
}
