package acceptance_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"millrace/acceptance/freeport"
	"millrace/client"
)

// program builds the binary once for the tests that need processes.
func program(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "millrace")
	cmd := exec.Command("go", "build", "-o", bin, "millrace/cmd/millrace")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return bin
}

// process starts the program and ends it with the test; its standard error is shown when the test fails.
func process(t *testing.T, bin string, env []string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(bin, args...)
	cmd.Env = append(os.Environ(), env...)
	var errOut bytes.Buffer
	cmd.Stderr = &errOut
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("%v: %v", args, err)
			}
		case <-time.After(30 * time.Second):
			t.Errorf("%v does not stop", args)
			_ = cmd.Process.Kill()
			<-ended
		}
		if t.Failed() {
			t.Logf("%v said:\n%s", args, errOut.String())
		}
	})
	return cmd
}

// answering waits until something accepts connections.
func answering(t *testing.T, addr string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if conn, err := net.Dial("tcp", addr); err == nil {
			_ = conn.Close()
			return
		} else if time.Now().After(deadline) {
			t.Fatalf("%s: %v", addr, err)
		}
	}
}

func TestTheLoopOverProcessesWithNATSAndS3Apart(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED in the race pass: processes of their own, run in the pass before it")
	}
	bin := program(t)
	nats, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	nats.Start()
	defer func() { nats.Shutdown(); nats.WaitForShutdown() }()
	if !nats.ReadyForConnections(time.Minute) {
		t.Fatal("NATS does not come up")
	}
	s3, door := freeport.Addr(t), freeport.Addr(t)
	env := []string{"MILLRACE_S3_ACCESS_KEY=lab", "MILLRACE_S3_SECRET_KEY=a-secret-of-the-test", "MILLRACE_URL=", "MILLRACE_TOKEN="}
	process(t, bin, env, "s3", "--data", t.TempDir(), "--addr", s3)
	answering(t, s3)
	apart := func(name, roles string, more ...string) {
		args := append([]string{"up", "--data", t.TempDir(), "--roles", roles, "--worker", name, "--nats-url", nats.ClientURL(), "--s3-endpoint", "http://" + s3}, more...)
		process(t, bin, env, args...)
	}
	apart("desk", "tracker", "--addr", door)
	answering(t, door)
	apart("judge", "curation,evaluation")
	apart("gpu", "training", "--threads", "1")

	c := client.New("http://"+door, "")
	set := finished(t, c, client.StartRun{Kind: "CURATE", Config: recipe(t, corpus(t, 60))})
	run := finished(t, c, train(set.Output("dataset"), "1e-2"))
	judged(t, c, run.ID, 2)
	if !strings.HasPrefix(run.Worker, "gpu-") || !strings.HasPrefix(set.Worker, "judge-") {
		t.Errorf("trained by %q, curated by %q", run.Worker, set.Worker)
	}
	out, err := exec.Command(bin, "--url", "http://"+door, "reproduce", run.ID, "-n", "10", "--json").Output()
	if err != nil || !bytes.Contains(out, []byte(`"verdict":"identical"`)) {
		t.Errorf("reproduce: %v\n%s", err, out)
	}
	out, err = exec.Command(bin, "--url", "http://"+door, "doctor").CombinedOutput()
	if err != nil {
		t.Errorf("doctor: %v\n%s", err, out)
	}
	fmt.Fprintf(os.Stderr, "%s", out)
}
