package graph_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"millrace/event"
	"millrace/graph"
	"millrace/storage/readmodel"
)

// sweeping tells of a sweep of three trials: one goes on, one stays, one was refused.
func sweeping(t testing.TB) []event.Event {
	low, high := event.Number(1.5), event.Number(2.5)
	first, second := request(t, string(event.TrialRun("S1", 0)), "rates-0", trainSpec("0.001")), request(t, string(event.TrialRun("S1", 1)), "rates-1", trainSpec("0.002"))
	first.StopAfter, second.StopAfter = 30, 10
	return []event.Event{
		event.SweepStarted{Sweep: "S1", Name: "rates", Experiment: "mill", Base: trainSpec("0.001"), Space: event.RawJSON(`{"optimizer.lr":{"min":0.001,"max":0.003}}`), Method: "asha", Metric: "val/loss", Direction: "min",
			MaxRuns: 3, Parallel: 2, MinSteps: 10, MaxSteps: 30, Eta: 3, By: "ada"},
		first, second,
		event.TrialScored{Sweep: "S1", Number: 0, Run: first.Run, Steps: 10, Value: &low},
		event.TrialScored{Sweep: "S1", Number: 1, Run: second.Run, Steps: 10, Value: &high},
		event.TrialScored{Sweep: "S1", Number: 2, Failure: &event.Failure{Code: "refused", Message: "no such optimizer"}},
		event.SweepEnded{Sweep: "S1", Status: "stopped", Trials: 3},
	}
}

// outlined is a plan of three trials whose first is best.
func outlined(c *graph.Config) {
	c.Outlined = func(_ readmodel.Sweep, scores []readmodel.TrialScore) (graph.SweepOutline, error) {
		return graph.SweepOutline{Total: 3, Rungs: []int64{10, 30}, Best: &scores[0].Number, Value: float64(*scores[0].Value), Settings: func(trial int) map[string]json.RawMessage {
			return map[string]json.RawMessage{"optimizer.lr": json.RawMessage(fmt.Sprintf("%.3f", 0.001*float64(trial+1)))}
		}}, nil
	}
}
