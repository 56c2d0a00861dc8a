package readmodel_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"millrace/event"
	"millrace/storage/readmodel"
	"millrace/storage/readmodel/readmodeltest"
)

// crashLog is a log of n facts of every important kind, the same every time it is made.
func crashLog(n int) []event.Envelope {
	rng := rand.New(rand.NewPCG(1, 2))
	var out []event.Envelope
	for i := range n {
		run := event.RunID(fmt.Sprintf("run-%d", rng.IntN(6)))
		var e event.Event
		switch k := rng.IntN(100); {
		case k < 70:
			var s event.Series
			s.Key = fmt.Sprintf("loss-%d", rng.IntN(4))
			start := int64(i * 10)
			if rng.IntN(5) == 0 {
				start = rng.Int64N(int64(n * 10)) // late or repeated
			}
			for j := range int64(1 + rng.IntN(300)) {
				s.Steps = append(s.Steps, start+j)
				s.Times = append(s.Times, int64(i)*1000+j)
				s.Values = append(s.Values, rng.NormFloat64())
			}
			e = event.MetricsLogged{Gateway: "g", Frames: []event.Frame{{Run: run, Writer: "w", Series: []event.Series{s}, Identity: event.Identity(rng.IntN(2))}}}
		case k < 75:
			e = event.RunRequested{Run: run, Name: string(run), Spec: event.Spec{Kind: event.Train, Config: []byte(`{"lr":0.001}`)}}
		case k < 80:
			e = event.RunStarted{Run: run, Attempt: 1 + rng.IntN(3), Worker: "w"}
		case k < 85:
			e = event.CheckpointSaved{Run: run, Step: int64(i), Checkpoint: event.DigestOf([]byte{byte(i)})}
		case k < 90:
			e = event.LinesLogged{Run: run, Stream: "stdout", First: int64(i), Lines: []string{"a", "b"}}
		case k < 95:
			e = event.ResourcesSpent{Run: run, Attempt: 1, Worker: "w", Device: event.Device{Kind: "cpu", Name: "x", Count: 1}, Seconds: event.Number(i)}
		case k < 98:
			e = event.RunRewound{Run: run, Step: int64(i * 5)}
		case i > n/2:
			e = event.RunDeleted{Run: event.RunID(fmt.Sprintf("run-%d", i%2))}
		default:
			e = event.RunEnded{Run: run, Attempt: 1, Status: event.Finished}
		}
		out = append(out, event.Envelope{Seq: uint64(i + 1), Time: readmodeltest.Begin.Add(time.Duration(i) * time.Second), Event: e})
	}
	return out
}

const crashFacts = 3000

// foldUntilKilled is the child of TestKilled: it goes on from the file's cursor, tells how far it is, and never ends by itself.
func foldUntilKilled(path string) {
	m, err := readmodel.Open(path, readmodel.Options{CommitEvery: 2 * time.Millisecond})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	fmt.Println(m.Cursor().Committed, m.Rebuilt())
	for _, env := range crashLog(crashFacts) {
		if err := m.Apply(env); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		fmt.Println(env.Seq)
	}
	select {}
}

// TestKilled kills a process that folds, again and again, opens its file, goes on from the cursor, and compares with a fold that
// nothing happened to.
func TestKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model.db")
	var cursors []uint64
	for round := range 4 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "READMODEL_TEST_FOLD="+path)
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(stdout)
		lines.Scan()
		first := lines.Text()
		cursor, rest, _ := strings.Cut(first, " ")
		at, err := strconv.ParseUint(cursor, 10, 64)
		if err != nil || rest != "" {
			t.Fatalf("child of round %d says %q", round, first)
		}
		cursors = append(cursors, at)
		for lines.Scan() {
			seq, err := strconv.ParseUint(lines.Text(), 10, 64)
			if err != nil {
				t.Fatalf("child of round %d says %q", round, lines.Text())
			}
			if seq >= at+600 || seq == crashFacts {
				break
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed
	}
	if cursors[0] != 0 || cursors[len(cursors)-1] == 0 {
		t.Fatalf("cursors after each kill: %v, want 0 first and progress after", cursors)
	}
	m, err := readmodel.Open(path, readmodel.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}()
	if why := m.Rebuilt(); why != "" {
		t.Fatalf("rebuilt: %s", why)
	}
	log := crashLog(crashFacts)
	for _, env := range log[m.Cursor().Committed:] {
		if err := m.Apply(env); err != nil {
			t.Fatal(err)
		}
	}
	readmodeltest.Check(t, m, log)
}
