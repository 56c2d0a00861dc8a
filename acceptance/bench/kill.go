package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"millrace/client"
)

// The load under which a node is killed: scripts that log two metrics at each of some thousand steps a second.
const (
	killScripts = 4
	killPause   = 5 * time.Millisecond // after every tenth step
)

// trackerKill kills a node at random under load, KILLS times (100), and counts what it had acknowledged: what is lost, and what is there
// twice. The scripts log through the client and its journals, so that what they logged while no node was there is counted too.
func trackerKill(ctx context.Context, b *bench) (_ []Row, err error) {
	kills := 100
	if s := os.Getenv("KILLS"); s != "" {
		if kills, err = strconv.Atoi(s); err != nil || kills < 1 {
			return nil, fmt.Errorf("KILLS=%s is no number of kills", s)
		}
	}
	data, journals := filepath.Join(b.tmp, "kill"), filepath.Join(b.tmp, "kill-journals")
	addr, err := quietPort()
	if err != nil {
		return nil, err
	}
	url, _, pid, stop, err := b.node(ctx, data, "--addr", addr)
	if err != nil {
		return nil, err
	}
	var all []*client.Logger
	for i := range killScripts {
		run, err := client.Open(client.RunOptions{Server: url, Dir: journals, Name: fmt.Sprint("killed-", i), Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			return nil, errors.Join(err, stop())
		}
		all = append(all, run)
	}
	logging, enough := context.WithCancel(ctx)
	defer enough()
	var wg sync.WaitGroup
	var steps [killScripts]atomic.Int64
	for i, run := range all {
		wg.Go(func() {
			for step := int64(0); logging.Err() == nil; step++ {
				run.Log(step, map[string]float64{"a": float64(step), "b": float64(step)})
				steps[i].Store(step + 1)
				if step%10 == 0 {
					time.Sleep(killPause)
				}
			}
		})
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range kills {
		time.Sleep(time.Duration(50+random.IntN(400)) * time.Millisecond)
		proc, err := os.FindProcess(pid)
		if err == nil {
			err = proc.Kill()
		}
		if err != nil {
			return nil, err
		}
		_ = stop() // it says that it was killed
		if _, _, pid, stop, err = b.node(ctx, data, "--addr", addr); err != nil {
			return nil, err
		}
	}
	defer func() { err = errors.Join(err, stop(), os.RemoveAll(data)) }()
	enough()
	wg.Wait()
	var logged, acknowledged, found, distinct int64
	c := client.New(url, "")
	for i, run := range all {
		ending, cancel := context.WithTimeout(ctx, time.Minute)
		err := run.End(ending, "", nil)
		cancel()
		if err = errors.Join(err, run.Err()); err != nil {
			return nil, err
		}
		logged += 2 * steps[i].Load()
		acknowledged += run.Counts().Delivered
		series, err := c.Series(ctx, []string{run.ID()}, []string{"a", "b"}, 10_000_000)
		if err != nil {
			return nil, err
		}
		for _, s := range series {
			found += int64(len(s.Steps))
			seen := make(map[int64]bool, len(s.Steps))
			for k, step := range s.Steps {
				if float64(s.Values[k]) == float64(step) {
					seen[step] = true
				}
			}
			distinct += int64(len(seen))
		}
	}
	note := fmt.Sprintf("%d kill -9 of the node, %d scripts: %d points logged, %d acknowledged, %d found", kills, killScripts, logged, acknowledged, found)
	return []Row{
		{Name: "kill_9_lost", Value: float64(logged - distinct), Unit: "points", Better: "lower", Bar: ptr(0), Note: note},
		{Name: "kill_9_twice", Value: float64(found - distinct), Unit: "points", Better: "lower", Bar: ptr(0), Note: "the same"},
	}, nil
}

// quietPort is an address that nobody takes while its node is down: below the system's own ports.
func quietPort() (string, error) {
	var err error
	for range 100 {
		addr := "127.0.0.1:" + strconv.Itoa(20_000+rand.IntN(12_000))
		var l net.Listener
		if l, err = net.Listen("tcp", addr); err == nil {
			return addr, l.Close()
		}
	}
	return "", err
}

// trackerCall is what a logging call costs a script, whether a node is there or not, journal included.
func trackerCall(ctx context.Context, _ *bench) ([]Row, error) {
	one, err := goBench(ctx, "./client", "BenchmarkMetricLog", `.*`, "ns/op")
	if err != nil {
		return nil, err
	}
	three, err := goBench(ctx, "./client", "BenchmarkLogMap", `.*`, "ns/op")
	if err != nil {
		return nil, err
	}
	through, err := goBench(ctx, "./client", "BenchmarkEndToEnd", `.*`, "points/s")
	if err != nil {
		return nil, err
	}
	return []Row{
		{Name: "client_metric_call", Value: one / 1000, Unit: "µs", Better: "lower", Bar: ptr(5), Note: "Scalar.Log in a tight loop, journal on, no node there; median of 3"},
		{Name: "client_log_call", Value: three / 1000, Unit: "µs", Better: "lower", Bar: ptr(5), Note: "Logger.Log of three metrics"},
		{Name: "client_throughput", Value: through, Unit: "points/s", Better: "higher", Note: "one script, from the first call until a node in the same process has all of a million points, durable on both sides"},
	}, nil
}
