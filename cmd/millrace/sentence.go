package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"millrace/client"
	"millrace/event"
)

// sentence says what happened, for people. A fact without words of its own is shown as it lies in the log.
func sentence(e client.LoggedEvent) string {
	switch e.Type {
	case "run.requested":
		return told(e, func(f event.RunRequested) string {
			s := fmt.Sprintf("%s: %s %q asked for", f.Run, f.Spec.Kind, f.Name)
			if f.Branch != nil {
				s += fmt.Sprintf(", %s of %s", f.Branch.Kind, f.Branch.From)
			}
			if f.By != "" {
				s += " by " + f.By
			}
			return s
		})
	case "run.started":
		return told(e, func(f event.RunStarted) string {
			s := fmt.Sprintf("%s: %s began, attempt %d", f.Run, f.Worker, f.Attempt)
			if f.ResumedFrom != nil {
				s += fmt.Sprintf(", from step %d", *f.ResumedFrom)
			}
			return s
		})
	case "run.progressed":
		return told(e, func(f event.RunProgressed) string {
			return fmt.Sprintf("%s: %s %d of %d %s", f.Run, f.Phase, f.Done, f.Total, f.Unit)
		})
	case "run.stop_requested":
		return told(e, func(f event.RunStopRequested) string { return fmt.Sprintf("%s: asked to stop %s", f.Run, f.Reason) })
	case "run.ended":
		return told(e, func(f event.RunEnded) string {
			s := fmt.Sprintf("%s: %s", f.Run, f.Status)
			if f.Failure != nil {
				s += ": " + f.Failure.Message
			}
			return s
		})
	case "run.lines_logged":
		return told(e, func(f event.LinesLogged) string { return fmt.Sprintf("%s: %s", f.Run, strings.Join(f.Lines, " | ")) })
	case "run.usage_sampled":
		return told(e, func(f event.UsageSampled) string {
			return fmt.Sprintf("%s: processor %.0f%%, %s resident", f.Run, float64(f.Usage.CPUPercent), bytes(f.Usage.RSS))
		})
	case "run.resources_spent":
		return told(e, func(f event.ResourcesSpent) string {
			return fmt.Sprintf("%s: %.1f device-seconds on %d × %s so far", f.Run, float64(f.Seconds), f.Device.Count, f.Device.Name)
		})
	case "checkpoint.saved":
		return told(e, func(f event.CheckpointSaved) string {
			return fmt.Sprintf("%s: checkpoint of step %d, %s", f.Run, f.Step, f.Checkpoint.Short())
		})
	case "evaluation.completed":
		return told(e, func(f event.EvaluationCompleted) string {
			s := fmt.Sprintf("%s: step %d on %s:", f.Of, f.Step, f.Suite)
			for _, score := range f.Scores {
				s += fmt.Sprintf(" %s %s", score.Metric, number(float64(score.Value)))
			}
			return s
		})
	case "reproduction.verified":
		return told(e, func(f event.ReproductionVerified) string {
			return fmt.Sprintf("%s: %s to %s: %d points, %d digests", f.Run, f.Verdict, f.Of, f.Points, f.Digests)
		})
	case "dataset.published":
		return told(e, func(f event.DatasetPublished) string {
			s := fmt.Sprintf("%s: dataset %q, %s", f.Run, f.Name, f.Dataset.Short())
			for _, split := range f.Splits {
				s += fmt.Sprintf(", %s %s tokens", split.Name, count(float64(split.Tokens)))
			}
			return s
		})
	case "metrics.logged": // the node sums frames up
		var f struct {
			Runs   []string
			Points int
			Keys   []string
		}
		if json.Unmarshal(e.Body, &f) == nil {
			return fmt.Sprintf("%s: %d points of %s", strings.Join(f.Runs, " "), f.Points, strings.Join(f.Keys, " "))
		}
	case "experiment.created":
		return told(e, func(f event.ExperimentCreated) string { return fmt.Sprintf("experiment %q", f.Name) })
	}
	return string(e.Body)
}

// told reads the body as its fact.
func told[E event.Event](e client.LoggedEvent, words func(E) string) string {
	var f E
	if err := json.Unmarshal(e.Body, &f); err != nil {
		return string(e.Body)
	}
	return words(f)
}
