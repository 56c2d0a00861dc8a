package node_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"millrace/acceptance/freeport"
	"millrace/client"
	"millrace/services/node"
)

// began reads the ledger of a program: whom it was, and where each began.
func began(ledger string) (pids, steps []int) {
	raw, _ := os.ReadFile(ledger)
	for line := range strings.Lines(string(raw)) {
		var pid, step int
		if n, _ := fmt.Sscan(line, &pid, &step); n == 2 {
			pids, steps = append(pids, pid), append(steps, step)
		}
	}
	return pids, steps
}

func external(args ...string) client.StartRun {
	raw, _ := json.Marshal(map[string]any{"args": args})
	return client.StartRun{Kind: "EXTERNAL", Config: json.RawMessage(`{}`), Command: raw}
}

func TestANodeThatIsKilledLeavesNoProgramBehindAndItsRunGoesOn(t *testing.T) {
	config := node.Config{
		Data: t.TempDir(), Addr: freeport.Addr(t), Roles: []node.Role{node.Tracker, node.External},
		External: node.Commands{Allow: true, Guard: []string{os.Args[0], "guard"}},
	}
	proc := spawn(t, config)
	defer func() { end(proc) }()
	c := client.New("http://"+config.Addr, "")
	ledger := filepath.Join(t.TempDir(), "ledger")
	run := begin(t, c, external(os.Args[0], "program", ledger))
	for kill := range 2 {
		checkpointed(t, c, run.ID, 2*kill+1)
		end(proc)
		pids, _ := began(ledger)
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
			stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pids[len(pids)-1]))
			if err != nil || bytes.Contains(stat, []byte(") Z ")) {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("program %v outlives its node", pids)
			}
		}
		proc = spawn(t, config)
	}
	finish(t, c, run.ID)
	points(t, c, run.ID, "train/loss", 40)
	_, steps := began(ledger)
	if len(steps) != 3 || steps[0] != 0 || steps[1] < 5 || steps[2] < steps[1] {
		t.Errorf("its attempts begin at steps %v", steps)
	}
	ks, err := c.Checkpoints(t.Context(), run.ID)
	if err != nil || len(ks) != 8 {
		t.Errorf("%d checkpoints, %v", len(ks), err)
	}
}

// The reference script trains the same as the native trainer, on the platform, and a process of it that is killed costs no more than the steps
// since the last checkpoint.
func TestThePyTorchScriptTrainsTheSameAndSurvivesTheKillOfAProcess(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("SKIPPED: there is no python3")
	}
	if out, err := exec.Command(python, "-c", "import torch, numpy, safetensors").CombinedOutput(); err != nil {
		t.Skip("SKIPPED: python3 lacks torch, numpy or safetensors: ", lastOf(string(out)))
	}
	torchrun, err := exec.LookPath("torchrun")
	if err != nil {
		t.Skip("SKIPPED: there is no torchrun")
	}
	script, err := filepath.Abs("../../trainer/external/torch/train.py")
	if err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	c, _ := lab(t, node.Config{Data: data, External: node.Commands{Allow: true, Guard: []string{os.Args[0], "guard"}}})
	finish(t, c, begin(t, c, curation(t, corpus(t, 60), 300)).ID)
	const steps = 60
	native := training(steps, 5)
	want := points(t, c, finish(t, c, begin(t, c, native).ID).ID, "train/loss", steps)

	run := external(torchrun, "--standalone", "--nproc-per-node", "2", script)
	run.Config, run.Inputs, run.Suites = native.Config, native.Inputs, []string{"quick"}
	id := begin(t, c, run).ID
	first := filepath.Join(data, "external", id+"-0", "checkpoints", "step-5")
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(first); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the script saves no checkpoint")
		}
	}
	killRank(t, id, 1)
	ended := finish(t, c, id)
	got := points(t, c, id, "train/loss", steps)
	most := 0.0
	for i := range got {
		d := math.Abs(math.Float64frombits(got[i]) - math.Float64frombits(want[i]))
		if d > 1e-4 && most <= 1e-4 {
			t.Logf("the first step that differs is %d: %g, natively %g", i+1, math.Float64frombits(got[i]), math.Float64frombits(want[i]))
		}
		most = max(most, d)
	}
	t.Logf("the greatest difference of %d losses is %.2g; %d attempts", steps, most, ended.Attempts)
	if !(most <= 1e-4) || ended.Attempts != 2 {
		t.Errorf("losses differ by %g from the native trainer's, after %d attempts; want 1e-4 and 2", most, ended.Attempts)
	}
	// Its checkpoints are evaluated as any other, by event.
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		ks, err := c.Checkpoints(t.Context(), id)
		if err == nil && len(ks) == steps/5 && len(ks[len(ks)-1].Evaluations) > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the last checkpoint is not evaluated: %+v %v", ks, err)
		}
	}
}

// killRank kills the process of a run's torchrun that has a rank.
func killRank(t *testing.T, run string, rank int) {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		env, err := os.ReadFile(filepath.Join("/proc", e.Name(), "environ"))
		pid, perr := strconv.Atoi(e.Name())
		if err != nil || perr != nil || !bytes.Contains(env, []byte("MILLRACE_RUN="+run+"\x00")) || !bytes.Contains(env, fmt.Appendf(nil, "\x00LOCAL_RANK=%d\x00", rank)) {
			continue
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatalf("no process of rank %d", rank)
}

func lastOf(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}
