package client_test

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"millrace/event"
)

// fakeDoor is a log door that keeps what it takes.
type fakeDoor struct {
	*httptest.Server
	mu      sync.Mutex
	runs    map[string]string
	seq     map[string]uint64
	points  map[string]int
	entries []string
	refuse  func(path string, body []byte) (int, string)
	stop    bool
	ended   string
	calls   int
}

func fake(t *testing.T) *fakeDoor {
	d := &fakeDoor{runs: map[string]string{}, seq: map[string]uint64{}, points: map[string]int{}}
	d.Server = httptest.NewServer(d)
	t.Cleanup(d.Close)
	return d
}

func (d *fakeDoor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var in io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		in, _ = gzip.NewReader(r.Body)
	}
	body, err := io.ReadAll(in)
	if err != nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls++
	path := strings.TrimPrefix(r.URL.Path, "/api/v1")
	if d.refuse != nil {
		if status, answer := d.refuse(path, body); status != 0 {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, answer)
			return
		}
	}
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	var in1 struct {
		ID       string
		Writer   string
		Sequence uint64
		Entries  []json.RawMessage
		Status   string
	}
	say := func(status int, v any) {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(v)
	}
	fail := func(status int, code string) {
		say(status, map[string]any{"error": map[string]string{"code": code, "message": "no"}})
	}
	if r.Method == "POST" && r.Header.Get("Content-Type") == "application/json" {
		if err := json.Unmarshal(body, &in1); err != nil {
			fail(400, "INVALID")
			return
		}
	}
	if path == "/runs" {
		if d.runs[in1.ID] == "" {
			d.runs[in1.ID] = "running"
		}
		say(201, map[string]any{"id": in1.ID, "status": d.runs[in1.ID]})
		return
	}
	id := parts[1]
	if d.runs[id] == "" {
		fail(404, "NOT_FOUND")
		return
	}
	state := map[string]any{"id": id, "status": d.runs[id], "stopRequested": d.stop}
	what := ""
	if len(parts) > 2 {
		what = parts[2]
	}
	repeat := func(writer string, seq uint64) bool {
		if seq <= d.seq[id+writer] {
			say(200, map[string]any{"duplicate": true, "run": state})
			return true
		}
		d.seq[id+writer] = seq
		return false
	}
	switch what {
	case "writers":
		say(200, map[string]any{"writer": parts[3], "sequence": d.seq[id+parts[3]]})
	case "points":
		frames, err := event.ParseFrames(body)
		seq, err2 := strconv.ParseUint(r.Header.Get("Millrace-Sequence"), 10, 64)
		if err != nil || err2 != nil {
			fail(400, "INVALID")
			return
		}
		if repeat(string(frames[0].Writer), seq) {
			return
		}
		for _, s := range frames[0].Series {
			d.points[s.Key] += len(s.Steps)
		}
		say(200, map[string]any{"accepted": 1, "run": state})
	case "log":
		if repeat(in1.Writer, in1.Sequence) {
			return
		}
		for _, e := range in1.Entries {
			var in struct {
				Series []struct {
					Key   string
					Steps []int64
				}
			}
			_ = json.Unmarshal(e, &in)
			for _, s := range in.Series {
				d.points[s.Key] += len(s.Steps)
			}
			if in.Series == nil {
				d.entries = append(d.entries, string(e))
			}
		}
		say(200, map[string]any{"accepted": 1, "run": state})
	case "end":
		d.ended = in1.Status
		d.runs[id] = in1.Status
		say(200, state)
	case "resume":
		d.runs[id] = "running"
		say(200, state)
	case "artifacts":
		say(200, map[string]any{"logged": true})
	default:
		say(200, state)
	}
}
