package readmodel

import (
	"fmt"

	"millrace/event"
)

func (f *fold) saveExperiment(x Experiment) error {
	if err := f.put(tableExperiment, "", parts(string(x.ID)), x); err != nil {
		return err
	}
	f.experiments[x.ID] = x
	return nil
}

// experimentCreated makes an experiment, or fills one that runs named before it was created. A repeat changes nothing.
func (f *fold) experimentCreated(e event.ExperimentCreated) error {
	old, ok := f.experiments[e.Experiment]
	if ok && !old.Bare {
		return nil
	}
	seq := f.env.Seq
	if ok {
		seq = old.Seq
	}
	return f.saveExperiment(Experiment{
		ID: e.Experiment, Seq: seq, Name: e.Name, Objective: e.Objective, Suites: e.Suites, Evaluation: e.Evaluation, Budget: e.Budget, Note: e.Note,
		Entity: e.Entity, By: e.By, Archived: old.Archived, CreatedAt: f.at, UpdatedAt: f.at,
	})
}

func (f *fold) experimentUpdated(e event.ExperimentUpdated) error {
	x, ok := f.experiments[e.Experiment]
	if !ok {
		x = Experiment{ID: e.Experiment, Seq: f.env.Seq, Bare: true, CreatedAt: f.at}
	}
	if e.Name != nil {
		x.Name = *e.Name
	}
	if e.Objective != nil {
		x.Objective = e.Objective
	}
	if e.Suites != nil {
		x.Suites = e.Suites
	}
	if e.Evaluation != nil {
		x.Evaluation = e.Evaluation
	}
	if e.Budget != nil {
		x.Budget = e.Budget
	}
	if e.Note != nil {
		x.Note = *e.Note
	}
	if e.Archived != nil {
		x.Archived = *e.Archived
	}
	for _, what := range e.Clear {
		switch what {
		case "objective":
			x.Objective = nil
		case "suites":
			x.Suites = nil
		case "evaluation":
			x.Evaluation = nil
		case "budget":
			x.Budget = nil
		}
	}
	x.UpdatedAt = later(x.UpdatedAt, f.at)
	return f.saveExperiment(x)
}

// datasetPublished keeps the first word on a dataset: its content is its name, so a second run that makes it makes the same.
func (f *fold) datasetPublished(e event.DatasetPublished) error {
	if e.Run != "" {
		f.touched[e.Run] = struct{}{}
	}
	if _, ok := f.datasets[e.Dataset]; !ok {
		d := Dataset{e, f.env.Seq, f.at}
		if err := f.put(tableDataset, "", parts(string(e.Dataset)), d); err != nil {
			return err
		}
		if err := f.hold(e.Run, e.Dataset, e.Bytes); err != nil {
			return err
		}
		f.datasets[e.Dataset] = d
	}
	edges := []Edge{{From: RunNode(e.Run), To: string(e.Dataset), Role: "dataset", Name: e.Name}}
	if _, gone := f.gone[e.Run]; gone || e.Run == "" {
		edges = nil
	}
	if e.Source != "" {
		edges = append(edges, Edge{From: string(e.Source), To: string(e.Dataset), Role: "source", Name: e.Name})
	}
	if e.Tokenizer != "" {
		edges = append(edges, Edge{From: string(e.Tokenizer), To: string(e.Dataset), Role: "tokenizer", Name: e.Name})
	}
	for _, x := range edges {
		if err := f.edge(x); err != nil {
			return err
		}
	}
	return nil
}

// checkpointSaved keeps the newest word on (run, step): a resumed run that saves a step again saves what counts from then on.
func (f *fold) checkpointSaved(e event.CheckpointSaved) error {
	if f.run(e.Run) == nil {
		return nil
	}
	rest := parts(e.Step)
	old, ok, err := f.checkpoint(e.Run, e.Step)
	if err != nil {
		return err
	}
	if ok && old.Checkpoint != e.Checkpoint {
		f.pending.remove(tableCheckpointOf, string(old.Checkpoint), parts(string(e.Run), e.Step))
	}
	if err := f.holdFiles(e.Run, e.Files); err != nil { // before the old ones are let go: they may be the same
		return err
	}
	if ok && !old.Deleted {
		if err := f.releaseFiles(e.Run, old.Files); err != nil {
			return err
		}
	}
	if err := f.put(tableCheckpoint, string(e.Run), rest, Checkpoint{CheckpointSaved: e, Seq: f.env.Seq, At: f.at}); err != nil {
		return err
	}
	f.pending.put(tableCheckpointOf, string(e.Checkpoint), parts(string(e.Run), e.Step), nil)
	f.alive(e.Run)
	return f.edge(Edge{From: RunNode(e.Run), To: string(e.Checkpoint), Role: "checkpoint", Name: fmt.Sprintf("step %d", e.Step)})
}

func (f *fold) checkpoint(run event.RunID, step int64) (Checkpoint, bool, error) {
	raw := f.v.get(tableCheckpoint, string(run), parts(step))
	if raw == nil {
		return Checkpoint{}, false, nil
	}
	c, err := decode[Checkpoint](raw)
	return c, err == nil, err
}

func (f *fold) checkpointDeleted(e event.CheckpointDeleted) error {
	if f.run(e.Run) == nil {
		return nil
	}
	c, ok, err := f.checkpoint(e.Run, e.Step)
	if err != nil || !ok || c.Checkpoint != e.Checkpoint {
		return err // of another one that took the step meanwhile
	}
	if !c.Deleted {
		if err := f.releaseFiles(e.Run, c.Files); err != nil {
			return err
		}
	}
	c.Deleted = true
	return f.put(tableCheckpoint, string(e.Run), parts(e.Step), c)
}

func (f *fold) aliasSet(e event.AliasSet) error {
	if _, gone := f.gone[e.Run]; gone {
		return nil
	}
	f.touched[e.Run] = struct{}{}
	a := Alias{e, f.env.Seq, f.at}
	if err := f.put(tableAlias, "", parts(string(e.Experiment), e.Alias), a); err != nil {
		return err
	}
	f.aliases[aliasKey{e.Experiment, e.Alias}] = a
	return nil
}

// evaluationWriter is who writes the series that are made of scores.
const evaluationWriter event.WriterID = "evaluation"

// evaluationCompleted keeps the first word on (judged run, step, suite, suite digest, checkpoint), and adds each score to the judged run's
// series eval/<suite>/<task>/<metric> at the checkpoint's step, where the first word on a step stays too.
func (f *fold) evaluationCompleted(e event.EvaluationCompleted) error {
	if f.run(e.Of) == nil {
		return nil
	}
	rest := evaluationRest(e)
	if f.v.get(tableEvaluation, string(e.Of), rest) != nil {
		return nil
	}
	if err := f.put(tableEvaluation, string(e.Of), rest, Evaluation{e, f.env.Seq, f.at}); err != nil {
		return err
	}
	for _, group := range evaluationRefs(e) {
		f.pending.put(tableEvaluationOf, group, parts(string(e.Of))+rest, nil)
	}
	frame := event.Frame{Run: e.Of, Writer: evaluationWriter}
	for _, s := range e.Scores {
		frame.Series = append(frame.Series, event.Series{
			Key:   "eval/" + e.Suite + "/" + s.Task + "/" + s.Metric,
			Steps: []int64{e.Step}, Times: []int64{f.at.UnixMicro()}, Values: []float64{float64(s.Value)},
		})
	}
	if err := f.frame(frame, byte(event.ByStep)); err != nil {
		return err
	}
	if e.Run == "" {
		return nil
	}
	if _, gone := f.gone[e.Run]; gone {
		return nil
	}
	f.touched[e.Run] = struct{}{}
	if e.Checkpoint == "" { // of a model that is elsewhere
		return nil
	}
	return f.edge(Edge{From: string(e.Checkpoint), To: RunNode(e.Run), Role: "evaluation", Name: e.Suite})
}

func evaluationRest(e event.EvaluationCompleted) string {
	return parts(e.Step, e.Suite, string(e.SuiteDigest), string(e.Checkpoint))
}

// evaluationRefs are the groups under which an evaluation is found other than by the run it judges.
func evaluationRefs(e event.EvaluationCompleted) []string {
	if e.Checkpoint == "" {
		return []string{RunNode(e.Run)}
	}
	return []string{string(e.Checkpoint), RunNode(e.Run)}
}
