package node_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"millrace/services/node"
)

// up runs a node until the test ends, and returns its URL.
func up(t *testing.T, c node.Config) string {
	t.Helper()
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	n, err := node.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return n.URL()
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestANodeTellsHowItIs(t *testing.T) {
	url := up(t, node.Config{Data: t.TempDir(), Addr: "127.0.0.1:0"})
	if code, _ := get(t, url+"/healthz"); code != http.StatusOK {
		t.Errorf("/healthz: %d", code)
	}
	deadline := time.Now().Add(time.Minute)
	code, body := get(t, url+"/readyz")
	for code != http.StatusOK && time.Now().Before(deadline) {
		code, body = get(t, url+"/readyz")
	}
	if code != http.StatusOK {
		t.Errorf("/readyz: %d %s", code, body)
	}
	if _, body := get(t, url+"/metrics"); !strings.Contains(body, "millrace_applied_seq") || !strings.Contains(body, `millrace_runs{status="running"} 0`) {
		t.Errorf("/metrics lacks what it should tell:\n%s", body)
	}
	if code, body := get(t, url+"/"); code != http.StatusOK || !strings.Contains(body, "<html") {
		t.Errorf("/: %d %.200s", code, body)
	}
}

func TestABusyPortSaysSo(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = node.Open(t.Context(), node.Config{Data: t.TempDir(), Addr: l.Addr().String(), Log: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), l.Addr().String()) || !strings.Contains(err.Error(), "--addr") {
		t.Fatalf("%v", err)
	}
}

func TestADataDirectoryInUseSaysSo(t *testing.T) {
	data := t.TempDir()
	up(t, node.Config{Data: data, Addr: "127.0.0.1:0"})
	_, err := node.Open(t.Context(), node.Config{Data: data, Addr: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), data) {
		t.Fatalf("%v", err)
	}
}

func TestWrongConfigurationsAreRefusedByName(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "node.yaml")
	for text, want := range map[string]string{
		"dta: x\n":                        "dta",
		"nats:\n  ulr: nats://h:4222\n":   "ulr",
		"roles: [training]\nroles: [x]\n": "roles",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var c node.Config
		if err := c.ReadFile(file); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), file) {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, c := range []node.Config{
		{},
		{Data: dir, Roles: []node.Role{"cook"}},
		{Data: dir, S3: node.S3{Endpoint: "http://127.0.0.1:1"}},
	} {
		if _, err := node.Open(t.Context(), c); !errors.Is(err, node.ErrConfig) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestAWrongS3SecretIsNamedAndNotShown(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ready, done := make(chan string, 1), make(chan error, 1)
	go func() {
		done <- node.ServeS3(ctx, t.TempDir(), "127.0.0.1:0", "key", "the-right-secret", slog.New(slog.DiscardHandler), func(e string) { ready <- e })
	}()
	endpoint := <-ready
	_, err := node.Open(t.Context(), node.Config{
		Data: t.TempDir(), Addr: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler),
		S3: node.S3{Endpoint: endpoint, AccessKey: "key", SecretKey: "a-wrong-secret"},
	})
	if err == nil || !strings.Contains(err.Error(), endpoint) || strings.Contains(err.Error(), "a-wrong-secret") {
		t.Errorf("%v", err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestSecretsAreMadeOnceAndForTheOwnerAlone(t *testing.T) {
	data := t.TempDir()
	t.Run("first", func(t *testing.T) { up(t, node.Config{Data: data, Addr: "127.0.0.1:0"}) })
	path := filepath.Join(data, "secrets.json")
	first, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v %v", info.Mode(), err)
	}
	t.Run("again", func(t *testing.T) { up(t, node.Config{Data: data, Addr: "127.0.0.1:0"}) })
	if again, err := os.ReadFile(path); err != nil || string(again) != string(first) {
		t.Fatalf("%v: the secrets changed", err)
	}
}

func TestAWorkerWithAnAddressTellsItsHealthAndNothingElse(t *testing.T) {
	url := up(t, node.Config{Data: t.TempDir(), Addr: "127.0.0.1:0", Roles: []node.Role{node.Curation}})
	if code, body := get(t, url+"/readyz"); code != http.StatusOK || strings.Contains(body, "read model") {
		t.Errorf("/readyz: %d %s", code, body)
	}
	if _, body := get(t, url+"/metrics"); !strings.Contains(body, "millrace_last_seq") || strings.Contains(body, "millrace_runs") {
		t.Errorf("/metrics:\n%s", body)
	}
	for _, path := range []string{"/", "/graphql"} {
		if code, _ := get(t, url+path); code != http.StatusNotFound {
			t.Errorf("%s: %d", path, code)
		}
	}
}
