package bus_test

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"millrace/acceptance/freeport"
	"millrace/event"
	"millrace/services/bus"
)

// startCluster starts n servers that know each other, and waits until they have a leader.
func startCluster(t testing.TB, n int) []*external {
	t.Helper()
	routes := make([]*url.URL, n)
	for i := range routes {
		routes[i] = &url.URL{Scheme: "nats-route", Host: fmt.Sprintf("127.0.0.1:%d", freeport.New(t))}
	}
	nodes := make([]*external, n)
	for i := range nodes {
		opts := natsOptions(t)
		opts.ServerName = fmt.Sprint("n", i)
		var port int
		if _, err := fmt.Sscanf(routes[i].Port(), "%d", &port); err != nil {
			t.Fatal(err)
		}
		opts.Cluster = server.ClusterOpts{Name: "lab", Host: "127.0.0.1", Port: port}
		opts.Routes = routes
		nodes[i] = startNATS(t, opts)
	}
	awaitLeader(t, nodes)
	return nodes
}

// awaitLeader waits until the cluster can answer for JetStream with every node in step.
func awaitLeader(t testing.TB, nodes []*external) {
	t.Helper()
	ctx := soon(t)
	for {
		for _, n := range nodes {
			if n.srv.JetStreamIsLeader() && len(n.srv.JetStreamClusterPeers()) == len(nodes) {
				return
			}
		}
		select {
		case <-ctx.Done():
			t.Fatal("the cluster has no leader")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// awaitInStep waits until every copy has everything: only then may another server go.
func awaitInStep(t testing.TB, b *bus.Bus) {
	t.Helper()
	ctx := soon(t)
	for {
		summary, _, err := b.Durability(ctx)
		if err == nil && strings.Contains(summary, "3 of 3") {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("the copies are not in step: %q, %v", summary, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func urls(nodes []*external) string {
	all := make([]string, len(nodes))
	for i, n := range nodes {
		all[i] = n.URL()
	}
	return strings.Join(all, ",")
}

// Each server is stopped and started in turn while two writers publish: no fact may be lost, doubled or out of order, and every job is worked
// on. It takes 5 to 30 s: a reader whose consumer was on the stopped server waits for two heartbeats, and an election by Raft's timers lasts
// 4 to 9 s. Nothing depends on how long: each fact and each wait has a minute.
func TestInAClusterTheLogHasThreeCopiesAndOutlivesAnyServer(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED in the race pass: three servers are restarted, run in the pass before it")
	}
	t.Parallel()
	nodes := startCluster(t, 3)
	b := open(t, bus.Config{URL: urls(nodes)})
	summary, _, err := b.Durability(soon(t))
	if err != nil || !strings.Contains(summary, "of 3 replicas") {
		t.Fatalf("%q, %v", summary, err)
	}
	reader := open(t, bus.Config{URL: urls(nodes)})
	f := follow(t, reader, 1)
	var mu sync.Mutex
	acked, worked := map[string]uint64{}, map[string]bool{}
	g := jobs()
	g.Parallel = 2
	working(t, reader, g, func(_ context.Context, env event.Envelope, _ bus.Delivery) error {
		mu.Lock()
		defer mu.Unlock()
		worked[runOf(env)] = true
		return nil
	})
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for w := range 2 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				run := fmt.Sprintf("w%d-%d", w, i)
				seq, err := b.Publish(soon(t), job(run))
				if err != nil {
					t.Errorf("%s: %v", run, err)
					return
				}
				mu.Lock()
				acked[run] = seq
				mu.Unlock()
				time.Sleep(10 * time.Millisecond) // three servers share this machine with us
			}
		})
	}
	for _, n := range nodes {
		f.until(t, len(f.until(t, 1))+20)
		n.stop()
		f.until(t, len(f.until(t, 1))+20) // two of three go on
		n.start()
		awaitLeader(t, nodes)
		awaitInStep(t, b)
	}
	close(stop)
	wg.Wait()
	s, err := b.State(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	got := f.until(t, int(s.Messages))
	if !slices.IsSorted(seqs(got)) {
		t.Errorf("out of order: %v", seqs(got))
	}
	at := map[string]uint64{}
	for _, env := range got {
		if r := runOf(env); at[r] != 0 {
			t.Errorf("%s is in the log twice, at %d and %d", r, at[r], env.Seq)
		} else {
			at[r] = env.Seq
		}
	}
	for run, seq := range acked {
		if at[run] != seq {
			t.Errorf("%s was acknowledged at %d and lies at %d", run, seq, at[run])
		}
	}
	ctx := soon(t)
	for {
		mu.Lock()
		n := len(worked)
		mu.Unlock()
		if n == len(at) {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%d of %d jobs were worked on", n, len(at))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func TestAClusterOfTwoKeepsOneCopyAndSaysSo(t *testing.T) {
	b := open(t, bus.Config{URL: urls(startCluster(t, 2))})
	publish(t, b, beat("a"))
	summary, warnings, err := b.Durability(soon(t))
	if err != nil || !strings.Contains(summary, "1 of 1 replicas") || !strings.Contains(strings.Join(warnings, "\n"), "1 replica:") {
		t.Errorf("%q, %q, %v", summary, warnings, err)
	}
}
