package evaluation_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"millrace/evaluator"
	"millrace/event"
	"millrace/services/evaluation"
	"millrace/storage/blob"
	"millrace/storage/s3embed"
)

// library is an empty one over a store of its own; saved is what was saved.
func library(t *testing.T, saved map[string]event.SuiteSaved) evaluation.Library {
	t.Helper()
	s3, err := s3embed.Open(t.Context(), s3embed.Config{Dir: t.TempDir(), AccessKey: "key", SecretKey: "secret-key", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := blob.Open(t.Context(), blob.Config{Endpoint: s3.Endpoint(), AccessKey: "key", SecretKey: "secret-key", Bucket: "lab"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := blobs.Close(); err != nil {
			t.Error(err)
		}
		if err := s3.Close(); err != nil {
			t.Error(err)
		}
	})
	return evaluation.Library{Blobs: blobs, Saved: func(_ context.Context, name string, version int) (event.SuiteSaved, bool, error) {
		s, ok := saved[name]
		return s, ok && (version == 0 || version == s.Version), nil
	}}
}

func TestResolvePinsTheSuite(t *testing.T) {
	l := library(t, nil)
	spec, err := l.Resolve(t.Context(), event.Spec{Kind: event.Evaluate, Config: json.RawMessage(`{"suite": "quick"}`)})
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Suite  string       `json:"suite"`
		Digest event.Digest `json:"suite_digest"`
	}
	if err := json.Unmarshal(spec.Config, &config); err != nil || config.Suite != "quick" || !config.Digest.Valid() {
		t.Errorf("%s %v", spec.Config, err)
	}
	again, err := l.Resolve(t.Context(), spec)
	if err != nil || string(again.Config) != string(spec.Config) {
		t.Errorf("%s, then %s: %v", spec.Config, again.Config, err)
	}
	// What was pinned is in storage, and read from there.
	if s, err := l.Suite(t.Context(), config.Digest); err != nil || s.Name != "quick" || s.Digest() != config.Digest {
		t.Errorf("%+v %v", s, err)
	}
	for config, says := range map[string]string{
		`{"suite": "qiuck"}`: "qiuck", `{"siute": "quick"}`: "siute", `{}`: "no suite", `[`: "configuration", `{"suite": "quick@9"}`: "quick@9", `{"suite": "quick@x"}`: "name@version",
		`{"suite": "quick", "api": {"endpoint": "https://a.example/v1", "model": "m", "api_key_env": "SECRET"}}`: "_API_KEY",
		`{"suite": "quick", "api": {"endpoint": "https://k:s@a.example/v1", "model": "m"}}`:                      "environment variable",
		`{"suite": "quick", "api": {"endpoint": "https://a.example/v1", "model": "m", "dollars_in": -1}}`:        "dollars_in",
		`{"suite": "quick", "api": {"endpoint": "https://a.example/v1", "model": "m", "key": "sk-5"}}`:           "unknown field",
		`{"suite": "quick", "api": {"endpoint": "ftp://a.example/v1", "model": "m"}}`:                            "endpoint",
	} {
		if _, err := l.Resolve(t.Context(), event.Spec{Config: json.RawMessage(config)}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", config, err)
		}
	}
}

func TestPinAllNamesTheSuiteThatIsNotThere(t *testing.T) {
	l := library(t, map[string]event.SuiteSaved{"mine": {Name: "mine", Version: 3, Digest: event.DigestOf([]byte("3"))}})
	pins, err := l.PinAll(t.Context(), []string{"quick", "mine", "heldout", "quick", "mine@3"})
	if err != nil || len(pins) != 4 || pins[1] != (event.SuitePin{Name: "mine", Version: 3, Digest: event.DigestOf([]byte("3"))}) || pins[3].Name != "mine@3" {
		t.Errorf("%+v %v", pins, err)
	}
	if _, err := l.PinAll(t.Context(), []string{"quick", "qiuck"}); err == nil || !strings.Contains(err.Error(), `"qiuck"`) || !strings.Contains(err.Error(), "heldout") {
		t.Errorf("%v", err)
	}
	if _, err := l.PinAll(t.Context(), []string{"mine@2"}); err == nil {
		t.Error("a version that is not there was pinned")
	}
}

const sums = `{"format": "millrace.task/1", "name": "sums", "version": 2, "kind": "multiple_choice", "source": {"form": "jsonl"},
	"template": {"prompt": "{{question}}"}}`

func TestASuiteIsPreparedWithItsData(t *testing.T) {
	l := library(t, nil)
	rows := []byte(`{"question": "1 + 1 =", "choices": ["2", "3"], "answer": 0}` + "\n")
	ref, err := l.Blobs.Put(t.Context(), rows)
	if err != nil {
		t.Fatal(err)
	}
	data := []evaluation.Data{{Task: "sums", Role: "data", Digest: event.Digest(ref.Digest), From: "sums.jsonl"}}
	saved, err := l.Prepare(t.Context(), []byte(sums), data)
	if err != nil {
		t.Fatal(err)
	}
	want := event.SuiteSaved{Name: "sums", Version: 2, Digest: saved.Digest, Tasks: 1}
	if saved.Name != want.Name || saved.Version != 2 || saved.Tasks != 1 || len(saved.Data) != 1 || saved.Data[0] != (event.TaskData{Task: "sums", Role: "data", Digest: event.Digest(ref.Digest), Bytes: int64(len(rows)), From: "sums.jsonl"}) {
		t.Errorf("%+v", saved)
	}
	s, err := l.Suite(t.Context(), saved.Digest)
	if err != nil || s.Tasks[0].Source.Digest != event.Digest(ref.Digest) || s.Format != evaluator.SuiteFormat {
		t.Errorf("%+v %v", s, err)
	}
	// Another file makes another suite.
	other, err := l.Blobs.Put(t.Context(), append(rows, rows...))
	if err != nil {
		t.Fatal(err)
	}
	data[0].Digest = event.Digest(other.Digest)
	if again, err := l.Prepare(t.Context(), []byte(sums), data); err != nil || again.Digest == saved.Digest {
		t.Errorf("%s %v", again.Digest, err)
	}
	for name, c := range map[string]struct {
		definition string
		data       []evaluation.Data
		says       string
	}{
		"no JSON":       {"{", nil, "suite"},
		"another form":  {`{"format": "millrace.task/9"}`, nil, "millrace.task/9"},
		"missing bytes": {sums, []evaluation.Data{{Task: "sums", Digest: event.DigestOf([]byte("gone"))}}, "not in storage"},
		"no such task":  {sums, []evaluation.Data{{Task: "differences", Digest: event.Digest(ref.Digest)}}, "differences"},
		"odd role":      {sums, []evaluation.Data{{Task: "sums", Role: "cook", Digest: event.Digest(ref.Digest)}}, "cook"},
		"no bucket":     {sums, []evaluation.Data{{Task: "sums", From: "/etc/passwd"}}, "s3://bucket/key"},
		"odd name":      {strings.Replace(sums, `"sums"`, `"s u m s"`, 1), nil, "letters, digits"},
	} {
		if _, err := l.Prepare(t.Context(), []byte(c.definition), c.data); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
