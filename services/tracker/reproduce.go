package tracker

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"millrace/event"
	"millrace/storage/readmodel"
	"millrace/storage/readmodel/where"
)

// maxSaveAt bounds how many checkpoints of the original a reproduction saves to compare.
const maxSaveAt = 1000

// admitReproduction copies the recorded spec. A training that was stopped is done up to there, and saves a checkpoint wherever its original
// has one. Its checkpoints are not evaluated: they are compared. A curation is built anew, whatever datasets there are. A command that a
// worker started is started again, with the files, inputs and environment that are recorded: what it does is its own, and the verdict tells.
func (t *Tracker) admitReproduction(ctx context.Context, w event.RunRequested) (event.Event, error) {
	of, err := t.run(w.Branch.From)
	switch {
	case err != nil:
		return nil, err
	case of.Bare || of.Kind == "" || of.Kind == event.External && len(of.Spec.Command) == 0:
		return nil, refuse(Invalid, "id", "run its script again, with the configuration that is recorded, and look at the two side by side: millrace compare", "run %s is somebody else's script: it cannot be run from here", of.ID)
	case len(of.Attempts) == 0:
		return nil, refuse(Conflict, "id", "", "run %s has not begun: there is nothing to compare", of.ID)
	case of.Kind == event.External && w.StopAfter != 0:
		return nil, refuse(Invalid, "steps", "leave it out: the command is run to its end", "run %s is a command's, which cannot be told after which step to end", of.ID)
	case of.Kind == event.External && (of.Status == event.Stopped || of.Status == event.Paused):
		return nil, refuse(Conflict, "id", "resume it to its end, and reproduce that", "run %s is %s: a command cannot be told to end at the same step", of.ID, of.Status)
	case w.StopAfter < 0:
		return nil, refuse(Invalid, "steps", "", "%d steps", w.StopAfter)
	case w.StopAfter > 0 && of.From != nil && w.StopAfter <= of.From.Step:
		return nil, refuse(Invalid, "steps", "", "run %s begins at step %d", of.ID, of.From.Step)
	}
	w.From = of.From
	if of.Kind == event.Train || of.Kind == event.Finetune {
		if w.StopAfter == 0 {
			w.StopAfter = of.StopAfter
			if of.Status == event.Stopped || of.Status == event.Paused {
				if of.Steps == 0 {
					return nil, refuse(Conflict, "id", "", "run %s was stopped before its first step: there is nothing to compare", of.ID)
				}
				w.StopAfter = of.Steps
			}
		}
		saved, err := t.Model.Checkpoints(of.ID)
		if err != nil {
			return nil, err
		}
		for _, c := range saved {
			if len(w.SaveAt) < maxSaveAt && (w.StopAfter == 0 || c.Step <= w.StopAfter) {
				w.SaveAt = append(w.SaveAt, c.Step)
			}
		}
	}
	if err := t.affordable(of.Experiment, nil); err != nil {
		return nil, err
	}
	if err := t.present(ctx, "id", of.Spec, w.From); err != nil {
		return nil, err
	}
	if w.Run, err = t.nameOf(w); err != nil {
		return nil, err
	}
	w.Spec, w.SpecDigest, w.Experiment, w.Suites = of.Spec, of.SpecDigest, of.Experiment, nil
	if w.Name == "" {
		w.Name = "reproduction of " + of.Name
	}
	return w, nil
}

// Foreseen lists what is known to be another than it was before a run is done again, "field: a → b": the program's code, and where this
// process, or else the last worker that did a run of the kind, is another machine or binary than the run's.
func (t *Tracker) Foreseen(ctx context.Context, id event.RunID) ([]string, error) {
	of, err := t.run(id)
	if err != nil {
		return nil, err
	}
	out := unrecorded(of.Spec)
	for _, f := range []struct {
		name   string
		va, vb any
	}{{"version", of.Spec.Code.Version, t.Code.Version}, {"revision", of.Spec.Code.Revision, t.Code.Revision}, {"modified", of.Spec.Code.Modified, t.Code.Modified}} {
		if f.va != f.vb {
			out = append(out, fmt.Sprintf("code %s: %v → %v", f.name, f.va, f.vb))
		}
	}
	var here *event.Environment
	if t.Environment != nil {
		here = t.Environment(of.Kind)
	}
	if here == nil {
		kind := where.Compare{Field: where.Field{Name: where.Kind}, Op: where.Equal, Values: []where.Value{{Word: string(of.Kind)}}}
		started := where.Compare{Field: where.Field{Name: where.Started}, Op: where.Exists}
		last, err := t.Model.Runs(ctx, where.And{kind, started}, []where.Sort{{Field: where.Field{Name: where.Started}, Desc: true}}, "", 1)
		if err != nil {
			return nil, err
		}
		if len(last.Runs) == 1 {
			here = last.Runs[0].Environment()
		}
	}
	return append(out, environmentDifferences(of.Environment(), here)...), nil
}

// unrecorded is what a command may read that nothing records.
func unrecorded(s event.Spec) []string {
	var c struct {
		Dir string `json:"dir"`
	}
	if s.Kind != event.External || json.Unmarshal(s.Command, &c) != nil || c.Dir == "" {
		return nil
	}
	return []string{fmt.Sprintf("command.dir: what is in %s is not recorded, and may have changed", c.Dir)}
}

// advanceDataset compares what two curations made.
func (c *comparison) advanceDataset(run readmodel.Run) error {
	of, err := c.t.Model.Run(c.was)
	if err != nil {
		return err
	}
	was, is := output(of, "dataset"), output(run, "dataset")
	if was == "" || is == "" {
		return nil
	}
	c.digests[0] = true
	if was != is {
		c.differ(event.Difference{Key: "dataset", Was: string(was), Is: string(is)})
	}
	return nil
}

func output(run readmodel.Run, role string) event.Digest {
	for _, o := range run.Outputs {
		if o.Role == role {
			return o.Digest
		}
	}
	return ""
}

// scores are what an evaluation said, by task and metric; the text of a sample counts as one.
func (c *comparison) scores(by event.RunID) (map[string]string, error) {
	list, err := c.t.Model.Evaluations(readmodel.EvaluationFilter{By: by})
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, e := range list {
		for _, s := range e.Scores {
			stderr := "none"
			if s.Stderr != nil {
				stderr = exact(float64(*s.Stderr))
			}
			out["eval/"+e.Suite+"/"+s.Task+"/"+s.Metric] = fmt.Sprintf("%s ± %s, n %d", exact(float64(s.Value)), stderr, s.N)
		}
		for i, s := range e.Samples {
			out[fmt.Sprintf("eval/%s/%s/sample %d", e.Suite, s.Task, i+1)] = s.Prompt + s.Text
		}
	}
	return out, nil
}

// advanceScores compares what two evaluations said, and the files of their answers.
func (c *comparison) advanceScores() error {
	is, err := c.scores(c.is)
	if err != nil || len(is) == 0 {
		return err
	}
	was, err := c.scores(c.was)
	if err != nil {
		return err
	}
	of, err := c.t.Model.Run(c.was)
	if err != nil {
		return err
	}
	var step, n int64
	if of.Branch != nil {
		step = of.Branch.Step
	}
	for _, key := range slices.Sorted(maps.Keys(is)) {
		old, ok := was[key]
		if !ok {
			continue
		}
		n++
		if old != is[key] {
			c.differ(event.Difference{Step: step, Key: key, Was: clipped(old), Is: clipped(is[key])})
		}
	}
	c.points["scores"] = n
	return c.advanceAnswers(step)
}

// answers are the files with what an evaluation asked and heard, by suite.
func (c *comparison) answers(by event.RunID) (map[string]event.Digest, error) {
	list, err := c.t.Model.Evaluations(readmodel.EvaluationFilter{By: by})
	if err != nil {
		return nil, err
	}
	out := map[string]event.Digest{}
	for _, e := range list {
		if e.Results != "" {
			out[e.Suite] = e.Results
		}
	}
	return out, nil
}

// advanceAnswers compares the files with the answers, bit for bit. Scores that differ are told first: they say more.
func (c *comparison) advanceAnswers(step int64) error {
	is, err := c.answers(c.is)
	if err != nil || len(is) == 0 {
		return err
	}
	was, err := c.answers(c.was)
	if err != nil {
		return err
	}
	for i, suite := range slices.Sorted(maps.Keys(is)) {
		if was[suite] == "" {
			continue
		}
		c.digests[int64(i)] = true
		if was[suite] != is[suite] {
			c.differ(event.Difference{Step: step, Key: "eval/" + suite + "/answers", Was: string(was[suite]), Is: string(is[suite])})
		}
	}
	return nil
}

// clipped bounds a text inside a verdict.
func clipped(s string) string {
	if r := []rune(s); len(r) > 200 {
		return string(r[:200]) + "…"
	}
	return s
}
