package node_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"gopkg.in/yaml.v3"

	"millrace/acceptance/freeport"
	"millrace/client"
	"millrace/event"
	"millrace/services/bus"
	"millrace/services/node"
)

// A child of this test binary is a node: it is killed for real.
const childConfig = "MILLRACE_TEST_CHILD_CONFIG"

func TestMain(m *testing.M) {
	if len(os.Args) > 2 {
		switch os.Args[1] {
		case "guard": // what a node starts commands by
			os.Exit(node.Guard(os.Args[2:]))
		case "program": // somebody else's
			os.Exit(program(os.Args[2]))
		}
	}
	if file := os.Getenv(childConfig); file != "" {
		os.Exit(child(file))
	}
	goleak.VerifyTestMain(m)
}

func child(file string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	c := node.Config{Version: "test"}
	if err := c.ReadFile(file); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	n, err := node.Open(ctx, c)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := errors.Join(n.Run(ctx), n.Close()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// spawn starts a child and waits until it serves.
func spawn(t *testing.T, c node.Config) *exec.Cmd {
	t.Helper()
	raw, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "node.yaml")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childConfig+"="+file)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	cl := client.New("http://"+c.Addr, "")
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, _, _, _, err := cl.System(t.Context()); err == nil {
			return cmd
		} else if time.Now().After(deadline) {
			t.Fatalf("the node does not come up: %v", err)
		}
	}
}

// end kills a child, if it still lives, and waits for it.
func end(proc *exec.Cmd) {
	_ = proc.Process.Kill()
	_ = proc.Wait()
	http.DefaultClient.CloseIdleConnections()
}

// caught does work during which a node is killed, four times as much of it at each try, until the kill came before the end: how fast a machine is
// does not decide what is tested.
func caught(t *testing.T, work func(size int) (inTheMiddle bool)) {
	t.Helper()
	for size := 1; !work(size); size *= 4 {
		if t.Failed() || size > 1000 {
			t.Fatalf("%d times the work was done before the kill came", size)
		}
	}
}

func TestKilledTwentyTimesUnderLoadEveryAcknowledgedPointIsThereOnce(t *testing.T) {
	const writers = 4
	kills := shorter(20, 5)
	data, addr, nats := t.TempDir(), freeport.Addr(t), freeport.Addr(t)
	config := node.Config{Data: data, Addr: addr, Roles: []node.Role{node.Tracker}, NATS: node.NATS{Listen: nats, Token: "a-test-token"}}
	proc := spawn(t, config)
	defer func() { end(proc) }()

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	b, err := bus.Open(ctx, bus.Config{URL: "nats://" + nats, Token: "a-test-token", Source: "/test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close(context.WithoutCancel(ctx))

	// Each writer logs steps 1, 2, 3, … of its own run, and goes on when a step is acknowledged.
	acked := make([]int64, writers)
	var wg sync.WaitGroup
	for w := range writers {
		run := event.RunID(fmt.Sprintf("killed-%d", w))
		wg.Go(func() {
			for step := int64(1); ctx.Err() == nil; step++ {
				frame := event.Frame{Run: run, Writer: "w", Series: []event.Series{{
					Key: "train/loss", Steps: []int64{step}, Times: []int64{step}, Values: []float64{float64(step) / 7},
				}}}
				if _, err := b.Publish(ctx, event.MetricsLogged{Gateway: "test", Frames: []event.Frame{frame}}); err != nil {
					if ctx.Err() == nil {
						t.Errorf("%s step %d: %v", run, step, err)
					}
					return
				}
				acked[w] = step
			}
		})
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range kills {
		time.Sleep(time.Duration(50+random.IntN(150)) * time.Millisecond)
		if err := proc.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = proc.Wait()
		proc = spawn(t, config)
	}
	time.Sleep(100 * time.Millisecond)
	cancel()
	wg.Wait()

	c := client.New("http://"+addr, "")
	for w := range writers {
		id := fmt.Sprintf("killed-%d", w)
		var got []client.Series
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			if got, err = c.Series(t.Context(), []string{id}, []string{"train/loss"}, 1_000_000); err != nil {
				t.Fatal(err)
			}
			if len(got) == 1 && got[0].Points >= acked[w] || time.Now().After(deadline) {
				break
			}
		}
		if len(got) != 1 || acked[w] == 0 {
			t.Fatalf("%s: %d series, %d steps acknowledged", id, len(got), acked[w])
		}
		// One step more than was acknowledged may be there: its acknowledgement was cut off.
		if n := int64(len(got[0].Steps)); n != acked[w] && n != acked[w]+1 {
			t.Errorf("%s: %d points, %d acknowledged", id, n, acked[w])
		}
		for i, step := range got[0].Steps {
			if step != int64(i+1) || float64(got[0].Values[i]) != float64(step)/7 {
				t.Fatalf("%s: point %d is step %d with %v", id, i, step, got[0].Values[i])
			}
		}
		t.Logf("%s: %d points through %d kills", id, acked[w], kills)
	}
	if err := proc.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
	_ = proc.Wait()
	facts, err := node.VerifyView(t.Context(), data, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d facts, folded anew: the same", facts)
	if _, err := os.Stat(filepath.Join(data, "readmodel.db")); err != nil {
		t.Fatal(err)
	}
}
