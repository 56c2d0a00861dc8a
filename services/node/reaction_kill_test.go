package node_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"millrace/acceptance/freeport"
	"millrace/client"
	"millrace/event"
	"millrace/services/node"
)

// Two processes, one with log, storage, tracker and trainings, the other with evaluations, are killed while checkpoints are saved: each
// checkpoint is judged, and has one word on it in the log. acceptance/bench does this fifty times (evaluator_reaction.go).
func TestEachCheckpointIsJudgedOnceThroughKillsOfEitherSide(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED in the race pass: child processes are killed, run in the pass before it")
	}
	t.Parallel()
	nats, s3 := freeport.Addr(t), freeport.Addr(t)
	desk := node.Config{
		Data: t.TempDir(), Addr: freeport.Addr(t), Roles: []node.Role{node.Tracker, node.Curation, node.Training}, Threads: 1, Worker: "desk",
		NATS: node.NATS{Listen: nats, Token: "a-test-token"}, S3: node.S3{Listen: s3},
	}
	trains := spawn(t, desk)
	defer func() { end(trains) }()
	var keys struct {
		Access string `json:"s3_access_key"`
		Secret string `json:"s3_secret_key"`
	}
	raw, err := os.ReadFile(filepath.Join(desk.Data, "secrets.json"))
	if err == nil {
		err = json.Unmarshal(raw, &keys)
	}
	if err != nil {
		t.Fatal(err)
	}
	judge := node.Config{
		Data: t.TempDir(), Addr: freeport.Addr(t), Roles: []node.Role{node.Evaluation}, Worker: "judge",
		NATS: node.NATS{URL: "nats://" + nats, Token: "a-test-token"},
		S3:   node.S3{Endpoint: "http://" + s3, AccessKey: keys.Access, SecretKey: keys.Secret},
	}
	judges := spawnWorker(t, judge)
	defer func() { end(judges) }()

	c := client.New("http://"+desk.Addr, "")
	finish(t, c, begin(t, c, curation(t, corpus(t, 20), 300)).ID)
	const kills, checkpoints = 5, 3
	random := rand.New(rand.NewPCG(5, 6))
	var runs []client.Run
	for i := range kills {
		runs = append(runs, begin(t, c, training(60, 60/checkpoints, "quick")))
		time.Sleep(time.Duration(100+random.IntN(400)) * time.Millisecond)
		if i%2 == 0 {
			end(judges)
			judges = spawnWorker(t, judge)
		} else {
			end(trains)
			trains = spawn(t, desk)
		}
	}
	for _, r := range runs {
		finish(t, c, r.ID)
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
			ks, err := c.Checkpoints(t.Context(), r.ID)
			n := 0
			for _, k := range ks {
				n += len(k.Evaluations)
			}
			if err == nil && n >= checkpoints {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%d of %d checkpoints of %s were judged: %v", n, checkpoints, r.ID, err)
			}
		}
	}
	words, attempts := map[string]int{}, 0
	for _, raw := range facts(t, c, "evaluation.completed", "") {
		var e event.EvaluationCompleted
		if err := json.Unmarshal(raw, &e); err != nil {
			t.Fatal(err)
		}
		words[fmt.Sprintf("%s@%d", e.Of, e.Step)]++
	}
	for _, raw := range facts(t, c, "run.started", "") {
		var e event.RunStarted
		if err := json.Unmarshal(raw, &e); err != nil {
			t.Fatal(err)
		}
		if e.Attempt > 1 {
			attempts++
		}
	}
	for at, n := range words {
		if n != 1 {
			t.Errorf("%s was judged %d times", at, n)
		}
	}
	if len(words) != kills*checkpoints {
		t.Errorf("%d checkpoints were judged, want %d", len(words), kills*checkpoints)
	}
	t.Logf("%d checkpoints, %d attempts after a first one", len(words), attempts)
}

// spawnWorker starts a child that is no tracker, and waits until it is ready to work.
func spawnWorker(t *testing.T, c node.Config) *exec.Cmd {
	t.Helper()
	raw, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "worker.yaml")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childConfig+"="+file)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		resp, err := http.Get("http://" + c.Addr + "/readyz")
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return cmd
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("the worker does not come up: %v", err)
		}
	}
}
