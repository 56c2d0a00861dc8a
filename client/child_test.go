package client_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"millrace/client"
	"millrace/services/node"
)

// Children of this test binary are a node and a script that logs: they are killed for real.
const (
	childNode   = "MILLRACE_TEST_NODE"   // data directory and address, by a space
	childScript = "MILLRACE_TEST_SCRIPT" // server, journals' root, run and writer, by spaces
	childFull   = "MILLRACE_TEST_FULL"   // server and journals' root, by a space
)

func TestMain(m *testing.M) {
	if what := os.Getenv(childNode); what != "" {
		os.Exit(nodeChild(what))
	}
	if what := os.Getenv(childScript); what != "" {
		os.Exit(scriptChild(what))
	}
	if what := os.Getenv(childFull); what != "" {
		os.Exit(fullChild(what))
	}
	goleak.VerifyTestMain(m)
}

func nodeChild(what string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	data, addr, _ := strings.Cut(what, " ")
	n, err := node.Open(ctx, node.Config{Version: "test", Data: data, Addr: addr, Roles: []node.Role{node.Tracker}, Log: slog.New(slog.DiscardHandler)})
	if err == nil {
		err = errors.Join(n.Run(ctx), n.Close())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// scriptChild logs steps 0, 1, 2, … until it is killed, and prints the steps that the operating system has for certain.
func scriptChild(what string) int {
	f := strings.Fields(what)
	run, err := client.Open(client.RunOptions{Server: f[0], Dir: f[1], ID: f[2], Writer: f[3], Every: 5 * time.Millisecond, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	m := run.Metric("loss")
	for step := int64(0); ; step++ {
		m.Log(step, float64(step)/7)
		if step%10 == 0 {
			c := run.Counts()
			fmt.Println(c.Delivered + c.Waiting)
			time.Sleep(time.Millisecond)
		}
	}
}

func spawn(t *testing.T, env string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), env)
	return cmd
}

// nodeAt starts a node and waits until it serves.
func nodeAt(t *testing.T, data, addr string) *exec.Cmd {
	t.Helper()
	cmd := spawn(t, childNode+"="+data+" "+addr)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := client.New("http://"+addr, "")
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if _, _, _, _, err := c.System(t.Context()); err == nil {
			return cmd
		} else if time.Now().After(deadline) {
			t.Fatalf("the node does not come up: %v", err)
		}
	}
}

func kill(cmd *exec.Cmd) {
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}

// scriptAt starts a script; the answer kills it and tells how many of its points had reached the operating system.
func scriptAt(t *testing.T, server, dir, run, writer string) func() int64 {
	t.Helper()
	cmd := spawn(t, childScript+"="+strings.Join([]string{server, dir, run, writer}, " "))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var last int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if n, err := strconv.ParseInt(lines.Text(), 10, 64); err == nil {
				last = n
			}
		}
	}()
	killed := false
	stop := func() int64 {
		if !killed {
			killed = true
			_ = cmd.Process.Kill()
			<-done
			_ = cmd.Wait()
		}
		return last
	}
	t.Cleanup(func() { stop() })
	return stop
}
