package training_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"millrace/event"
	"millrace/services/bus"
	"millrace/services/job"
	"millrace/services/meter"
	"millrace/services/training"
	"millrace/storage/blob"
	"millrace/storage/s3embed"
	"millrace/trainer/engine/auto"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestResolveWritesDefaultsOutAndNamesWhatIsWrong(t *testing.T) {
	spec, err := training.Resolve(t.Context(), event.Spec{Kind: event.Train, Config: json.RawMessage(`{"steps": 7}`)})
	if err != nil || spec.Engine != "auto" {
		t.Fatalf("%+v %v", spec, err)
	}
	var config map[string]any
	if err := json.Unmarshal(spec.Config, &config); err != nil || config["steps"] != 7.0 || config["optimizer"] == nil || config["schedule"] == nil {
		t.Errorf("%s %v", spec.Config, err)
	}
	// What is resolved resolves to itself: a recorded spec is done again as it was.
	again, err := training.Resolve(t.Context(), spec)
	if err != nil || string(again.Config) != string(spec.Config) {
		t.Errorf("%s, then %s: %v", spec.Config, again.Config, err)
	}
	for config, says := range map[string]string{`{"stepz": 7}`: "stepz", `{"model": {"n_head": 3, "d_model": 32}}`: "n_head", `{"steps": -1}`: "steps", `[`: "config"} {
		if _, err := training.Resolve(t.Context(), event.Spec{Config: json.RawMessage(config)}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", config, err)
		}
	}
}

// bench is a training service with a real log and a real object store.
func bench(t *testing.T) (*bus.Bus, *blob.Store) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	b, err := bus.Open(t.Context(), bus.Config{Dir: t.TempDir(), Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := b.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	s3, err := s3embed.Open(t.Context(), s3embed.Config{Dir: t.TempDir(), AccessKey: "key", SecretKey: "a-secret-of-the-test", Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s3.Close(); err != nil {
			t.Error(err)
		}
	})
	blobs, err := blob.Open(t.Context(), blob.Config{Endpoint: s3.Endpoint(), AccessKey: "key", SecretKey: "a-secret-of-the-test", Bucket: "millrace"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := blobs.Close(); err != nil {
			t.Error(err)
		}
	})
	m := meter.New(meter.Config{Dir: t.TempDir()})
	k, err := auto.Open("cpu-reference", 1)
	if err != nil {
		t.Fatal(err)
	}
	s := training.Service{
		Jobs: &job.Runner{
			Bus: b, Meter: m, Worker: "here", Environment: func() event.Environment { return event.Environment{CPU: "test"} },
			Device: event.Device{Kind: "cpu", Name: "test", Count: 1}, Now: time.Now, Log: log,
		},
		Blobs: blobs, Kernels: k, Now: time.Now,
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-done
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		if c, ok := k.(interface{ Close() }); ok {
			c.Close()
		}
	})
	return b, blobs
}

func TestWhatCannotBeReadEndsTheRunWithACodeAndAHint(t *testing.T) {
	b, blobs := bench(t)
	gone := event.DigestOf([]byte("was never stored"))
	ref, err := blobs.Put(t.Context(), []byte(`{"not": "a manifest"}`))
	if err != nil {
		t.Fatal(err)
	}
	for run, want := range map[event.RunID]struct {
		config  string
		dataset event.Digest
		code    string
	}{
		"gone":  {`{}`, gone, "missing_input"},
		"wrong": {`{}`, event.Digest(ref.Digest), "bad_dataset"},
		"key":   {`{"stepz": 1}`, gone, "bad_config"},
	} {
		req := event.RunRequested{Run: run, Name: string(run), Spec: event.Spec{
			Kind: event.Train, Config: json.RawMessage(want.config), Inputs: []event.Input{{Role: "dataset", Digest: want.dataset}},
		}}
		if _, err := b.Publish(t.Context(), req); err != nil {
			t.Fatal(err)
		}
		end := ended(t, b, run)
		if end.Status != event.Failed || end.Failure == nil || end.Failure.Code != want.code || end.Failure.Hint == "" {
			t.Errorf("%s: %s %+v", run, end.Status, end.Failure)
		}
	}
}

// ended waits for a run's last word.
func ended(t *testing.T, b *bus.Bus, run event.RunID) (end event.RunEnded) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_ = b.Follow(ctx, 1, []string{event.RunEnded{Run: run}.Subject()}, func(env event.Envelope) error {
		end, _ = env.Event.(event.RunEnded)
		cancel()
		return nil
	})
	if end.Run != run {
		t.Fatalf("run %s does not end", run)
	}
	return end
}
