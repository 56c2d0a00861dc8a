package external_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"millrace/event"
)

// stubborn ignores the signal, and so does what it starts in a session of its own, as torchrun starts its workers. Both write down who they are.
func stubborn(pids string) string {
	return `trap '' TERM; echo $$ > ` + pids + `; setsid sh -c 'trap "" TERM; echo $$ >> ` + pids + `; while :; do sleep 0.1; done' & while :; do sleep 0.1; done`
}

func TestWhatDoesNotStopIsKilledWithAllThatItStarted(t *testing.T) {
	l := newLab(t)
	l.work()
	pids := filepath.Join(t.TempDir(), "pids")
	l.request("stubborn", stubborn(pids), `,"grace_seconds":0.1`)
	living := both(t, pids)
	l.publish(event.RunStopRequested{Run: "stubborn"})
	if end, _ := l.ended("stubborn"); end.Status != event.Stopped {
		t.Errorf("%+v", end)
	}
	if left := living(); left != nil {
		t.Errorf("processes %v live on", left)
	}
}

// A worker that is killed takes nothing with it that could be told; its guard finds the pipe closed.
func TestNothingOutlivesAWorkerThatWasKilled(t *testing.T) {
	pids := filepath.Join(t.TempDir(), "pids")
	end, life, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer life.Close()
	// This shell stands for the worker: it alone holds the other end of the pipe, and is killed with SIGKILL.
	worker := exec.Command("sh", "-c", `"$0" guard /bin/sh -c "$1" 3<&3 4<&- & exec 3<&-; wait`, os.Args[0], stubborn(pids))
	worker.ExtraFiles = []*os.File{end, life}
	if err := worker.Start(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(end.Close(), life.Close()); err != nil {
		t.Fatal(err)
	}
	living := both(t, pids)
	if err := worker.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = worker.Wait()
	eventually(t, "both are dead", func() bool { return living() == nil })
}

func TestAGuardEndsAsItsCommandDoes(t *testing.T) {
	for script, want := range map[string]int{"exit 0": 0, "exit 7": 7, "kill -9 $$": 137, "kill -15 $$": 143} {
		end, life, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(os.Args[0], "guard", "/bin/sh", "-c", script)
		cmd.ExtraFiles = []*os.File{end}
		var exit *exec.ExitError
		if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		if got := cmd.ProcessState.ExitCode(); got != want {
			t.Errorf("%s: %d, want %d", script, got, want)
		}
		if err := errors.Join(end.Close(), life.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

// both waits until two process ids stand in a file; living lists those of them that live.
func both(t *testing.T, file string) (living func() []int) {
	t.Helper()
	var list []int
	eventually(t, "two processes", func() bool {
		raw, _ := os.ReadFile(file)
		list = nil
		for _, f := range strings.Fields(string(raw)) {
			if pid, err := strconv.Atoi(f); err == nil {
				list = append(list, pid)
			}
		}
		return len(list) == 2
	})
	return func() (left []int) {
		for _, pid := range list {
			stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
			if err == nil && !strings.Contains(string(stat), ") Z ") {
				left = append(left, pid)
			}
		}
		return left
	}
}
