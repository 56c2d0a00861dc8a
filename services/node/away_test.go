package node_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"millrace/acceptance/freeport"
	"millrace/client"
	"millrace/services/node"
)

// lab runs a node until stop is called, or the test ends.
func lab(t *testing.T, c node.Config) (_ *client.Client, stop func()) {
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
	stop = sync.OnceFunc(func() {
		cancel()
		if err := errors.Join(<-done, n.Close()); err != nil {
			t.Error(err)
		}
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	})
	t.Cleanup(stop)
	return client.New(n.URL(), ""), stop
}

// natsAt starts a NATS server on an address and a store.
func natsAt(t *testing.T, addr, store string) *server.Server {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: number, JetStream: true, StoreDir: store, NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(20 * time.Second) {
		t.Fatal("NATS does not come up")
	}
	return s
}

// shorter is how much to do; less in the race pass, whose arithmetic is many times slower.
func shorter(full, short int) int {
	if testing.Short() {
		return short
	}
	return full
}

func TestATrainingGoesOnWhileNATSIsAway(t *testing.T) {
	t.Parallel()
	steps := shorter(1500, 300)
	addr, store := freeport.Addr(t), t.TempDir()
	nats := natsAt(t, addr, store)
	halt := func() { nats.Shutdown(); nats.WaitForShutdown() }
	defer func() { halt() }()
	c, stop := lab(t, node.Config{Data: t.TempDir(), Addr: "127.0.0.1:0", NATS: node.NATS{URL: "nats://" + addr}})
	defer stop()
	finish(t, c, begin(t, c, curation(t, corpus(t, 40), 300)).ID)
	run := begin(t, c, training(steps, steps/5))
	checkpointed(t, c, run.ID, 1)
	halt()
	time.Sleep(away)
	nats = natsAt(t, addr, store)
	done := finish(t, c, run.ID)
	for _, key := range deterministic {
		points(t, c, run.ID, key, steps)
	}
	if ks, err := c.Checkpoints(t.Context(), run.ID); err != nil || len(ks) != 5 {
		t.Errorf("%d checkpoints: %v", len(ks), err)
	}
	t.Logf("%d attempts", done.Attempts)
}

func TestANodeThatStartsBeforeItsNATSWaitsForIt(t *testing.T) {
	t.Parallel()
	addr, store := freeport.Addr(t), t.TempDir()
	alone := make(chan struct{})
	log := slog.New(slog.NewTextHandler(writerFunc(func(p []byte) {
		if bytes.Contains(p, []byte("asking again")) { // said once
			close(alone)
		}
	}), nil))
	config := node.Config{Data: t.TempDir(), Addr: "127.0.0.1:0", NATS: node.NATS{URL: "nats://" + addr}, Log: log}
	opened := make(chan error, 1)
	go func() {
		n, err := node.Open(t.Context(), config)
		if err == nil {
			err = n.Close()
		}
		opened <- err
	}()
	select {
	case <-alone:
	case err := <-opened:
		t.Fatalf("it did not wait: %v", err)
	}
	nats := natsAt(t, addr, store)
	if err := <-opened; err != nil {
		t.Error(err)
	}
	nats.Shutdown()
	nats.WaitForShutdown()
}

// writerFunc is called with each line of a log.
type writerFunc func(p []byte)

func (f writerFunc) Write(p []byte) (int, error) {
	f(p)
	return len(p), nil
}

func TestATrainingGoesOnWhileS3IsAway(t *testing.T) {
	t.Parallel()
	const every = 20
	steps := shorter(1000, 200)
	addr, data := freeport.Addr(t), t.TempDir()
	serve := func() (stop func()) {
		ctx, cancel := context.WithCancel(context.Background())
		ready, done := make(chan string, 1), make(chan error, 1)
		go func() {
			done <- node.ServeS3(ctx, data, addr, "key", "a-secret-of-the-test", slog.New(slog.DiscardHandler), func(e string) { ready <- e })
		}()
		select {
		case <-ready:
		case err := <-done:
			t.Fatal(err)
		}
		return sync.OnceFunc(func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
	halt := serve()
	defer func() { halt() }()
	c, stop := lab(t, node.Config{
		Data: t.TempDir(), Addr: "127.0.0.1:0", S3: node.S3{Endpoint: "http://" + addr, AccessKey: "key", SecretKey: "a-secret-of-the-test"},
	})
	defer stop()
	finish(t, c, begin(t, c, curation(t, corpus(t, 40), 300)).ID)
	run := begin(t, c, training(steps, every))
	checkpointed(t, c, run.ID, 2)
	halt()
	time.Sleep(away)
	halt = serve()
	done := finish(t, c, run.ID)
	points(t, c, run.ID, "train/loss", steps)
	if ks, err := c.Checkpoints(t.Context(), run.ID); err != nil || len(ks) != steps/every || done.Output("checkpoint") != ks[len(ks)-1].Digest {
		t.Errorf("%d checkpoints: %v", len(ks), err)
	}
}

func TestACorruptReadModelIsRebuiltLoudly(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	c, stop := lab(t, node.Config{Data: data, Addr: "127.0.0.1:0"})
	made := finish(t, c, begin(t, c, curation(t, corpus(t, 40), 300)).ID)
	stop()
	file := filepath.Join(data, "readmodel.db")
	if err := os.WriteFile(file, bytes.Repeat([]byte("garbage\n"), 5000), 0o600); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	c, stop = lab(t, node.Config{Data: data, Addr: "127.0.0.1:0", Log: slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		run, err := c.Run(t.Context(), made.ID)
		if err == nil && run.Status == "FINISHED" && run.Output("dataset") == made.Output("dataset") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("not rebuilt: %v", err)
		}
	}
	stop()
	if s := said.String(); !strings.Contains(s, "rebuilt") || !strings.Contains(s, file) {
		t.Errorf("it was rebuilt quietly: %q", s)
	}
	if _, err := node.VerifyView(t.Context(), data, slog.New(slog.DiscardHandler)); err != nil {
		t.Error(err)
	}
}

func TestACorruptLogIsNamed(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	_, stop := lab(t, node.Config{Data: data, Addr: "127.0.0.1:0"})
	stop()
	dir := filepath.Join(data, "log")
	meta := filepath.Join(dir, "jetstream", "$G", "streams", "MILLRACE", "meta.inf")
	if err := os.WriteFile(meta, []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	n, err := node.Open(t.Context(), node.Config{Data: data, Addr: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler)})
	if err == nil {
		_ = n.Close()
		t.Fatal("it opened")
	}
	if !strings.Contains(err.Error(), dir) {
		t.Errorf("%v", err)
	}
	t.Log(err)
}
