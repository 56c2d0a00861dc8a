package bus_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"millrace/event"
	"millrace/services/bus"
)

const (
	crashDirEnv   = "MILLRACE_BUS_CRASH_DIR"
	crashRoundEnv = "MILLRACE_BUS_CRASH_ROUND"
)

// publishUntilKilled publishes from several goroutines and prints each fact's name once it has been acknowledged.
func publishUntilKilled(dir string) int {
	b, err := bus.Open(context.Background(), bus.Config{Dir: dir, Log: quiet()})
	if err != nil {
		fmt.Println("error:", err)
		return 1
	}
	round := os.Getenv(crashRoundEnv)
	var mu sync.Mutex
	say := func(name string, err error) {
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		fmt.Println(name)
	}
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := 0; ; i++ {
				name := fmt.Sprintf("r%s-w%d-%d", round, w, i)
				var err error
				if w%2 == 0 {
					_, err = b.Publish(context.Background(), beat(name))
				} else {
					_, err = b.Publish(context.Background(), logged(frameOf(name, "w", 2, 5, 0)))
				}
				say(name, err)
			}
		})
	}
	wg.Wait()
	return 1
}

func TestWhatWasAcknowledgedIsThereOnceAfterKill9(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	acked := map[string]bool{}
	for round := range 3 {
		child := exec.Command(exe)
		child.Env = append(os.Environ(), crashDirEnv+"="+dir, fmt.Sprintf("%s=%d", crashRoundEnv, round))
		child.Stderr = os.Stderr
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		killed := false
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			name := lines.Text()
			if strings.HasPrefix(name, "error:") {
				t.Fatal(name)
			}
			acked[name] = true
			if n == 300 {
				killed = true
				if err := child.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := child.Wait(); !killed {
			t.Fatalf("the child ended by itself: %v", err)
		}
		b := open(t, bus.Config{Dir: dir})
		s, err := b.State(soon(t))
		if err != nil {
			t.Fatal(err)
		}
		count := map[string]int{}
		for _, env := range follow(t, b, 1).until(t, int(s.Last)) {
			switch e := env.Event.(type) {
			case event.RunHeartbeat:
				count[string(e.Run)]++
			case event.MetricsLogged:
				for _, f := range e.Frames {
					count[string(f.Run)]++
					if f.Points() != 10 {
						t.Errorf("%s has %d points", f.Run, f.Points())
					}
				}
			}
		}
		for name := range acked {
			if count[name] != 1 {
				t.Errorf("round %d: %s was acknowledged and is there %d times", round, name, count[name])
			}
		}
		for name, n := range count {
			if n > 1 {
				t.Errorf("round %d: %s is there %d times", round, name, n)
			}
		}
		shut(t, b)
	}
	t.Logf("%d acknowledged facts, 3 kills", len(acked))
}
