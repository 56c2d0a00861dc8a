package node_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"millrace/acceptance/freeport"
	"millrace/client"
	"millrace/event"
	"millrace/services/node"
)

// A node is killed again and again while a sweep goes on whose trials are worth what evaluations say of them: each trial is started once, goes
// on once to a rung, is scored once there, by its checkpoint's evaluation at that step and no other, and the sweep ends once.
func TestASweepByAnEvaluationsScoreIsItselfThroughKills(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED in the race pass: a child process is killed, run in the pass before it")
	}
	t.Parallel()
	config := node.Config{Data: t.TempDir(), Addr: freeport.Addr(t), Threads: 1, Roles: []node.Role{node.Tracker, node.Curation, node.Training, node.Evaluation}}
	proc := spawn(t, config)
	defer func() { end(proc) }()
	c := client.New("http://"+config.Addr, "")
	finish(t, c, begin(t, c, curation(t, corpus(t, 20), 300)).ID)
	const trials, low, high, metric = 4, 20, 40, "eval/heldout/heldout/loss"
	input := map[string]any{
		"name": "judged", "method": "asha", "metric": metric, "direction": "min", "maxRuns": trials, "parallel": 2, "minSteps": low, "maxSteps": high, "eta": 2, "seed": 5, "suites": []string{"heldout"},
		"inputs": []any{map[string]any{"role": "dataset", "digest": "mill"}}, "space": json.RawMessage(`{"optimizer.lr":{"min":0.0001,"max":0.01,"log":true}}`),
		"config": json.RawMessage(fmt.Sprintf(`{"model":{"n_layer":1,"n_head":2,"d_model":32,"context":32},"batch_size":2,"steps":%d,"checkpoint_every":10,"seed":7}`, high)),
	}
	var started struct {
		StartSweep struct {
			Sweep      *struct{ ID string }
			UserErrors []client.UserError
		}
	}
	if err := c.Do(t.Context(), `mutation ($input: StartSweepInput!) { startSweep(input: $input) { sweep { id } userErrors { message } } }`, map[string]any{"input": input}, &started); err != nil || started.StartSweep.Sweep == nil {
		t.Fatalf("%+v %v", started, err)
	}
	id := event.SweepID(started.StartSweep.Sweep.ID)
	random := rand.New(rand.NewPCG(7, 8))
	for range 3 {
		time.Sleep(time.Duration(100+random.IntN(500)) * time.Millisecond) // anywhere in what it does
		end(proc)
		proc = spawn(t, config)
	}
	eventually(t, func() bool { return len(all[event.SweepEnded](t, c)) > 0 }, func() any { return all[event.TrialScored](t, c) })

	asked, number := map[string]int{}, map[event.RunID]int{}
	for n := range trials {
		number[event.TrialRun(id, n)] = n
	}
	for _, r := range all[event.RunRequested](t, c) {
		if r.Spec.Kind != event.Train {
			continue
		}
		if _, ok := number[r.Run]; !ok {
			t.Errorf("%s, %s, is no trial", r.Run, r.Name)
		}
		asked[fmt.Sprintf("%d until %d", number[r.Run], r.StopAfter)]++
	}
	said := map[string]event.Number{}
	for _, e := range all[event.EvaluationCompleted](t, c) {
		for _, s := range e.Scores {
			if s.Metric == "loss" {
				said[fmt.Sprintf("%s@%d", e.Of, e.Step)] = s.Value
			}
		}
	}
	scored, further := map[string]int{}, 0
	for _, s := range all[event.TrialScored](t, c) {
		until := []int64{low, high}[s.Rung]
		scored[fmt.Sprintf("%d until %d", s.Number, until)]++
		value, ok := said[fmt.Sprintf("%s@%d", s.Run, until)]
		if s.Steps != until || s.Run != event.TrialRun(id, s.Number) || s.Value == nil || !ok || *s.Value != value {
			t.Errorf("trial %d is worth %v after %d steps (%+v); its checkpoint's evaluation says %v", s.Number, s.Value, s.Steps, s.Failure, value)
		}
		further += s.Rung
	}
	if fmt.Sprint(asked) != fmt.Sprint(scored) {
		t.Errorf("asked for were %v, scored %v", asked, scored)
	}
	for what, n := range asked {
		if n != 1 {
			t.Errorf("trial %s was asked for %d times", what, n)
		}
	}
	if ends := all[event.SweepEnded](t, c); len(ends) != 1 || ends[0].Trials != trials || ends[0].Status != "finished" || further < 2 || len(asked) != trials+further {
		t.Errorf("%+v; %d went on; %v", ends, further, asked)
	}
}
