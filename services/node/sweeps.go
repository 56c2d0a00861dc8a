package node

import (
	"millrace/graph"
	"millrace/services/tracker"
	"millrace/storage/readmodel"
)

// outlined says what a sweep's plan makes of what its trials have reached.
func outlined(s readmodel.Sweep, scores []readmodel.TrialScore) (graph.SweepOutline, error) {
	plan, err := tracker.PlanOf(s.SweepStarted)
	if err != nil {
		return graph.SweepOutline{}, err
	}
	out := graph.SweepOutline{Total: plan.Total(), Settings: plan.Settings}
	if rungs := plan.Rungs(); len(rungs) > 1 {
		out.Rungs = rungs
	}
	if number, value, ok := plan.Best(tracker.SeenOf(scores)); ok {
		out.Best, out.Value = &number, value
	}
	return out, nil
}
