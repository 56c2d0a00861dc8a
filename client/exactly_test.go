package client_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"millrace/acceptance/freeport"
	"millrace/client"
	"millrace/client/journal"
	"millrace/event"
	"millrace/services/node"
)

// seriesOf fetches a metric of a run: steps by writer. A step that is there twice is an error.
func seriesOf(t *testing.T, c *client.Client, run, key string) map[string][]int64 {
	t.Helper()
	got, err := c.Series(t.Context(), []string{run}, []string{key}, 10_000_000)
	if err != nil {
		t.Fatal(err)
	}
	steps := map[string][]int64{}
	for _, s := range got {
		if steps[s.Writer] != nil || int64(len(s.Steps)) != s.Points {
			t.Errorf("%s %s: %d series of %s, %d steps of %d points", run, key, len(got), s.Writer, len(s.Steps), s.Points)
		}
		steps[s.Writer] = s.Steps
		for i, v := range s.Values {
			if float64(v) != float64(s.Steps[i])/7 {
				t.Errorf("%s %s step %d is %v", run, key, s.Steps[i], v)
			}
		}
		if !slices.IsSorted(s.Steps) || len(slices.Compact(slices.Clone(s.Steps))) != len(s.Steps) {
			t.Errorf("%s %s: steps are there twice, or out of order", run, key)
		}
	}
	return steps
}

// whole checks that steps are 0, 1, 2, …, at least as many as were certain.
func whole(t *testing.T, what string, steps []int64, certain int64) {
	t.Helper()
	if int64(len(steps)) < certain {
		t.Errorf("%s: %d points, %d were certain", what, len(steps), certain)
	}
	for i, s := range steps {
		if s != int64(i) {
			t.Errorf("%s: after step %d comes %d", what, i-1, s)
			return
		}
	}
}

// TestKilledNodesCutNetworksKilledScripts is the promise: every point that was logged is there once, whatever dies.
func TestKilledNodesCutNetworksKilledScripts(t *testing.T) {
	kills := 4
	if testing.Short() {
		kills = 2
	}
	if os.Getenv("MILLRACE_TEST_LONG") != "" {
		kills = 60
	}
	data, addr := t.TempDir(), freeport.Addr(t)
	proc := nodeAt(t, data, addr)
	defer func() { kill(proc) }()
	net := badNetwork(t, addr)
	dir := t.TempDir()

	// Two runs of one process each, and one of two; and a run whose script is killed again and again.
	const loggers = 4
	runs := []string{"solo-0", "solo-1", "shared", "shared"}
	logged := make([]int64, loggers)
	var all []*client.Logger
	for i := range loggers {
		all = append(all, open(t, client.RunOptions{
			Server: net.url, Dir: dir, ID: runs[i], Writer: fmt.Sprintf("rank%d", i), Every: 5 * time.Millisecond, Log: slog.New(slog.DiscardHandler),
		}))
	}
	var wg sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	for i, run := range all {
		wg.Go(func() {
			m := run.Metric("loss")
			for step := int64(0); ctx.Err() == nil; step++ {
				m.Log(step, float64(step)/7)
				run.Log(step, map[string]float64{"b": float64(step) / 7, "c": float64(step) / 7})
				logged[i] = step + 1
				if step%10 == 0 {
					time.Sleep(time.Millisecond)
				}
			}
		})
	}
	// The script's generations each have a writer of their own.
	var certain []int64
	script := scriptAt(t, net.url, dir, "killed", "life0")
	random := rand.New(rand.NewPCG(1, 2))
	for i := range kills {
		time.Sleep(time.Duration(100+random.IntN(200)) * time.Millisecond)
		kill(proc)
		certain = append(certain, script())
		script = scriptAt(t, net.url, dir, "killed", fmt.Sprintf("life%d", i+1))
		time.Sleep(time.Duration(random.IntN(100)) * time.Millisecond)
		proc = nodeAt(t, data, addr)
	}
	time.Sleep(200 * time.Millisecond)
	certain = append(certain, script())
	stop()
	wg.Wait()
	net.calm.Store(true)
	for _, run := range all {
		if err := run.End(soon(t), event.Finished, nil); err != nil {
			t.Error(err)
		}
	}
	synced, err := client.Sync(soon(t), dir, client.SyncOptions{Patience: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range synced {
		if s.State != "sent" || s.Err != nil || len(s.Damage) > 0 || len(s.Refused) > 0 {
			t.Errorf("%+v", s)
		}
	}
	empty(t, dir)

	c := client.New("http://"+addr, "")
	var total int
	for i, run := range all {
		if n := run.Counts(); n.Dropped > 0 || n.Refused > 0 || n.Delivered != 3*logged[i] || run.Err() != nil {
			t.Errorf("%s: %+v of %d: %v", runs[i], n, 3*logged[i], run.Err())
		}
		for _, key := range []string{"loss", "b", "c"} {
			steps := seriesOf(t, c, runs[i], key)[fmt.Sprintf("rank%d", i)]
			whole(t, fmt.Sprint(runs[i], " rank", i, " ", key), steps, logged[i])
			if int64(len(steps)) > logged[i] {
				t.Errorf("%s has %d points, %d were logged", key, len(steps), logged[i])
			}
			total += len(steps)
		}
	}
	lives := seriesOf(t, c, "killed", "loss")
	for i, n := range certain {
		steps := lives[fmt.Sprintf("life%d", i)]
		whole(t, fmt.Sprint("life ", i), steps, n)
		total += len(steps)
	}
	t.Logf("%d points, %d nodes and %d scripts killed, %d connections broken", total, kills, len(certain), net.broke.Load())
	kill(proc)
	facts, err := node.VerifyView(t.Context(), data, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d facts, folded anew: the same", facts)
}

// A process that comes back under its writer's name goes on where its journal ended, and logs what it had logged again, harmlessly.
func TestTheSameWriterComesBack(t *testing.T) {
	c := lab(t, "")
	dir := t.TempDir()
	o := client.RunOptions{Server: c.URL(), Dir: dir, ID: "comes-back", Writer: "rank0", Every: time.Millisecond, Log: slog.New(slog.DiscardHandler)}
	away := o
	away.Server = "http://127.0.0.1:1"
	at := int64(0)
	for life := range 4 {
		use := o
		if life%2 == 0 {
			use = away
		}
		run := open(t, use)
		if _, err := client.Open(use); !errors.Is(err, journal.ErrBusy) {
			t.Fatalf("two have one name: %v", err)
		}
		for step := max(0, at-5); step < at+100; step++ {
			run.Log(step, map[string]float64{"loss": float64(step) / 7})
		}
		at += 100
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		if life%2 == 1 {
			cancel()
			ctx, cancel = context.WithTimeout(context.Background(), time.Minute)
		}
		err := run.Close(ctx)
		cancel()
		if (err == nil) != (life%2 == 1) {
			t.Errorf("life %d: %v", life, err)
		}
	}
	whole(t, "comes back", seriesOf(t, c, "comes-back", "loss")["rank0"], 400)
	empty(t, dir)
}
