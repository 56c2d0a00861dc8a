package ingest_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"millrace/event"
	"millrace/services/bus"
	"millrace/services/ingest"
	"millrace/services/tracker"
	"millrace/storage/blob"
	"millrace/storage/readmodel"
	"millrace/storage/readmodel/readmodeltest"
	"millrace/storage/s3embed"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lab is a door before a tracker, over an embedded log, in a temporary directory.
type lab struct {
	t       testing.TB
	bus     *bus.Bus
	blobs   *blob.Store
	model   *readmodel.Model
	tracker *tracker.Tracker
	door    *ingest.Server
	url     string
	http    *http.Client
}

func start(t testing.TB) *lab { return startWith(t, 0) }

// startWith bounds the log, in bytes: 0 is no bound.
func startWith(t testing.TB, maxBytes int64) *lab {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	dir := t.TempDir()
	b, err := bus.Open(t.Context(), bus.Config{Dir: filepath.Join(dir, "log"), Source: "/test", MaxBytes: maxBytes, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	state, err := b.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m, err := readmodel.Open(filepath.Join(dir, "view.db"), readmodel.Options{Identity: state.Identity, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	tr := &tracker.Tracker{
		Bus: b, Model: m, Now: time.Now, Random: rand.Reader, Log: quiet,
		Deterministic: func(string) bool { return true }, PinSuites: func(context.Context, []string) ([]event.SuitePin, error) { return nil, nil },
	}
	objects, err := s3embed.Open(t.Context(), s3embed.Config{Dir: filepath.Join(dir, "objects"), AccessKey: "test-key", SecretKey: "test-secret"})
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := blob.Open(t.Context(), blob.Config{Endpoint: objects.Endpoint(), AccessKey: "test-key", SecretKey: "test-secret", Bucket: "millrace"})
	if err != nil {
		t.Fatal(err)
	}
	tr.Stored = func(ctx context.Context, d event.Digest) (int64, error) {
		info, err := blobs.Stat(ctx, blob.Digest(d))
		if errors.Is(err, blob.ErrNotFound) {
			return 0, fs.ErrNotExist
		}
		return info.Size, err
	}
	door := ingest.New(ingest.Config{Tracker: tr, Model: m, Blobs: blobs, MaxBlob: 4 << 20, Log: quiet})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- tr.Run(ctx) }()
	server := httptest.NewServer(door)
	l := &lab{t: t, blobs: blobs, bus: b, model: m, tracker: tr, door: door, url: server.URL, http: server.Client()}
	t.Cleanup(func() {
		server.Close()
		l.checkReplay()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := errors.Join(m.Close(), b.Close(context.Background()), blobs.Close(), objects.Close()); err != nil {
			t.Error(err)
		}
	})
	return l
}

// checkReplay folds the log anew and compares.
func (l *lab) checkReplay() {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	state, err := l.bus.State(ctx)
	if err != nil {
		l.t.Error(err)
		return
	}
	if state.Last == 0 {
		return
	}
	if err := l.model.WaitFor(ctx, state.Last); err != nil {
		l.t.Error(err)
		return
	}
	var log []event.Envelope
	enough := errors.New("enough")
	err = l.bus.Follow(ctx, 1, nil, func(env event.Envelope) error {
		log = append(log, env)
		if env.Seq >= state.Last {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		l.t.Error(err)
		return
	}
	readmodeltest.Check(l.t, l.model, log)
}

// reply is an answer of the door: one of its views, or an error.
type reply struct {
	Status     int `json:"-"`
	RetryAfter string
	ID         string          `json:"id"`
	Name       string          `json:"name"`
	Kind       string          `json:"kind"`
	URL        string          `json:"url"`
	RunStatus  json.RawMessage `json:"status"`
	Accepted   int             `json:"accepted"`
	Duplicate  bool            `json:"duplicate"`
	Seq        uint64          `json:"seq"`
	Sequence   uint64          `json:"sequence"`
	Logged     bool            `json:"logged"`
	Through    string          `json:"through"`
	Upload     *struct {
		Method  string            `json:"method"`
		URL     string            `json:"url"`
		Headers map[string]string `json:"headers"`
		Expires time.Time         `json:"expires"`
	} `json:"upload"`
	StopRequested bool   `json:"stopRequested"`
	StopReason    string `json:"stopReason"`
	RewoundTo     *int64 `json:"rewoundTo"`
	Run           struct {
		Status        string `json:"status"`
		StopRequested bool   `json:"stopRequested"`
	} `json:"run"`
	Error struct{ Code, Message, Hint, Field string } `json:"error"`
}

func (l *lab) do(method, path string, body io.Reader, headers ...string) reply {
	l.t.Helper()
	req, err := http.NewRequestWithContext(l.t.Context(), method, l.url+"/api/v1"+path, body)
	if err != nil {
		l.t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := l.http.Do(req)
	if err != nil {
		l.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	var out reply
	if err := json.Unmarshal(raw, &out); err != nil {
		l.t.Fatalf("%s %s answered %d with %q", method, path, resp.StatusCode, raw)
	}
	out.Status, out.RetryAfter = resp.StatusCode, resp.Header.Get("Retry-After")
	return out
}

func (l *lab) post(path, body string) reply {
	l.t.Helper()
	return l.do("POST", path, strings.NewReader(body))
}

// ok posts what must be taken.
func (l *lab) ok(path, body string) reply {
	l.t.Helper()
	got := l.post(path, body)
	if got.Status != 200 && got.Status != 201 {
		l.t.Fatalf("POST %s %.200s answered %d: %+v", path, body, got.Status, got.Error)
	}
	return got
}

// refused posts what must be refused, changing nothing, with a code, at a field, in words that have says in them.
func (l *lab) refused(path, body, code, field, says string) {
	l.t.Helper()
	was := l.last()
	got := l.post(path, body)
	status := map[string]int{"INVALID": 400, "NOT_FOUND": 404, "CONFLICT": 409, "TOO_LARGE": 413, "UNAVAILABLE": 503}[code]
	if got.Status != status || got.Error.Code != code || got.Error.Field != field || !strings.Contains(got.Error.Message, says) {
		l.t.Errorf("POST %s %.200s answered %d %+v; want %s at %q with %q", path, body, got.Status, got.Error, code, field, says)
	}
	if is := l.last(); is != was {
		l.t.Errorf("POST %s %.200s was refused, and %d facts are in the log", path, body, is-was)
	}
}

func (l *lab) last() uint64 {
	l.t.Helper()
	state, err := l.bus.State(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	return state.Last
}

func zipped(body string) *bytes.Buffer {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(body))
	_ = z.Close()
	return &b
}
