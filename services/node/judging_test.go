package node_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"millrace/client"
	"millrace/services/node"
)

// judgements waits until every evaluation of a run has ended, and returns their runs by the step that they judge.
func judgements(t *testing.T, c *client.Client, run string, atLeast int) map[int64]string {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		var data struct {
			Runs struct {
				Nodes []struct {
					ID, Status string
					Failure    *struct{ Code string }
				}
			}
		}
		if err := c.Do(t.Context(), `{ runs(filter: {kind: [EVALUATE]}, first: 200) { nodes { id status failure { code } } } }`, nil, &data); err != nil {
			t.Fatal(err)
		}
		ended := 0
		for _, r := range data.Runs.Nodes {
			if r.Status == "FINISHED" || r.Status == "STOPPED" || r.Status == "FAILED" {
				ended++
			}
		}
		if ended == len(data.Runs.Nodes) && ended >= atLeast {
			byStep := map[int64]string{}
			for _, r := range data.Runs.Nodes {
				for _, raw := range facts(t, c, "run.requested", r.ID) {
					var req struct{ Branch struct{ Step int64 } }
					if err := json.Unmarshal(raw, &req); err != nil {
						t.Fatal(err)
					}
					byStep[req.Branch.Step] = r.Status
					if r.Failure != nil {
						byStep[req.Branch.Step] += " " + r.Failure.Code
					}
				}
			}
			return byStep
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d evaluations have ended", ended, len(data.Runs.Nodes))
		}
	}
}

// TestAPolicySaysWhichCheckpointsAreJudged: every second one and the last, on other suites from a step on.
func TestAPolicySaysWhichCheckpointsAreJudged(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED in the race pass: it takes minutes there, run in the pass before it")
	}
	c := client.New(up(t, node.Config{Data: t.TempDir(), Addr: "127.0.0.1:0", Engine: "cpu-reference"}), "")
	finish(t, c, begin(t, c, curation(t, corpus(t, 20), 300)).ID)
	var made struct {
		CreateExperiment struct{ UserErrors []struct{ Message string } }
	}
	err := c.Do(t.Context(), `mutation { createExperiment(input: {name: "policy", suites: ["quick"], evaluation: {every: 2, stages: [{fromStep: 9, suites: ["samples"]}]}}) { userErrors { message } } }`, nil, &made)
	if err != nil || len(made.CreateExperiment.UserErrors) > 0 {
		t.Fatalf("%v %+v", err, made)
	}
	s := training(14, 2)
	s.Experiment, s.Suites = "policy", nil
	run := finish(t, c, begin(t, c, s).ID)
	got := judgements(t, c, run.ID, 4)
	// Checkpoints 1 to 7 lie at steps 2, 4, … 14: the even ones and the last.
	if want := map[int64]string{4: "FINISHED", 8: "FINISHED", 12: "FINISHED", 14: "FINISHED"}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("judged are %v, want %v", got, want)
	}
	ks, err := c.Checkpoints(t.Context(), run.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range ks {
		for _, e := range k.Evaluations {
			if want := map[bool]string{true: "samples", false: "quick"}[k.Step >= 9]; e.Suite != want {
				t.Errorf("step %d was judged on %s, want %s", k.Step, e.Suite, want)
			}
		}
	}
}
