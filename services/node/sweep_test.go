package node_test

import (
	"encoding/json"
	"testing"
	"time"

	"millrace/client"
	"millrace/event"
	"millrace/services/node"
)

// A sweep of real trainings: the best go on from their checkpoints, and end where a run in one piece ends.
func TestASweepLetsTheBestGoOn(t *testing.T) {
	t.Parallel()
	c, _ := lab(t, node.Config{Data: t.TempDir(), Addr: "127.0.0.1:0", Threads: 1})
	finish(t, c, begin(t, c, curation(t, corpus(t, 20), 300)).ID)
	const common = `"model":{"n_layer":1,"n_head":2,"d_model":32,"context":32},"batch_size":2,"steps":8,"eval_every":4,"checkpoint_every":4,"seed":7`
	type drawn struct {
		ID, Status, Best string
		BestValue        *float64
		Rungs            []int64
		Trials           []struct {
			Run      string
			Rung     int
			Settings map[string]json.RawMessage
			Scores   []struct {
				Steps int64
				Value *float64
			}
		}
	}
	const fields = `{ id status best bestValue rungs trials { run rung settings scores { steps value } } }`
	var started struct {
		StartSweep struct {
			Sweep      *drawn
			UserErrors []client.UserError
		}
	}
	input := map[string]any{"name": "rates", "method": "asha", "metric": "val/loss", "direction": "min", "maxRuns": 4, "parallel": 2, "minSteps": 4, "maxSteps": 8, "eta": 2, "seed": 3,
		"inputs": []any{map[string]any{"role": "dataset", "digest": "mill"}}, "space": json.RawMessage(`{"optimizer.lr":{"min":0.0001,"max":0.01,"log":true}}`),
		"config": json.RawMessage("{" + common + "}")}
	if err := c.Do(t.Context(), `mutation ($input: StartSweepInput!) { startSweep(input: $input) { sweep `+fields+` userErrors { message } } }`, map[string]any{"input": input}, &started); err != nil || started.StartSweep.Sweep == nil {
		t.Fatalf("%+v %v", started, err)
	}
	var got struct{ Sweep drawn }
	for got.Sweep.Status != "finished" {
		time.Sleep(20 * time.Millisecond)
		if err := c.Do(t.Context(), `query { sweep(id: "rates") `+fields+` }`, nil, &got); err != nil {
			t.Fatal(err)
		}
	}
	further := 0
	for _, trial := range got.Sweep.Trials {
		finish(t, c, trial.Run)
		if n := len(trial.Scores); n != trial.Rung+1 || trial.Scores[n-1].Value == nil || trial.Scores[n-1].Steps != got.Sweep.Rungs[trial.Rung] {
			t.Errorf("%+v", trial)
		}
		if trial.Rung == 0 {
			continue
		}
		further++
		points(t, c, trial.Run, "train/loss", 8)
		// The same in one piece.
		again, err := c.Start(t.Context(), client.StartRun{Kind: "TRAIN", Inputs: []client.Input{{Role: "dataset", Digest: "mill"}}, Suites: []string{}, Config: json.RawMessage(`{` + common + `,"optimizer":{"lr":` + string(trial.Settings["optimizer.lr"]) + `}}`)})
		if err != nil {
			t.Fatal(err)
		}
		finish(t, c, again.ID)
		last := map[string]event.Number{}
		series, err := c.Series(t.Context(), []string{trial.Run, again.ID}, []string{"val/loss"}, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range series {
			for i, step := range x.Steps {
				if step == 8 {
					last[x.Run] = x.Values[i]
				}
			}
		}
		if len(last) != 2 || last[trial.Run] != last[again.ID] {
			t.Errorf("in two pieces and in one: %v", last)
		}
	}
	if len(got.Sweep.Trials) != 4 || further < 2 || got.Sweep.Best == "" || got.Sweep.BestValue == nil {
		t.Errorf("%d trials, %d went on: %+v", len(got.Sweep.Trials), further, got.Sweep)
	}
}
