package view

import (
	"time"

	"millrace/event"
	"millrace/storage/readmodel"
)

// Experiment is a question that groups runs.
type Experiment struct{ readmodel.Experiment }

// IsNode makes an experiment a Node.
func (Experiment) IsNode() {}

// Name is the id where runs name an experiment that nobody created.
func (x Experiment) Name() string {
	if x.Experiment.Name == "" {
		return string(x.ID)
	}
	return x.Experiment.Name
}

// Dataset is a published dataset.
type Dataset struct{ readmodel.Dataset }

// IsNode makes a dataset a Node.
func (Dataset) IsNode() {}

// ID is the digest of the manifest.
func (d Dataset) ID() event.Digest { return d.Dataset.Dataset }

// Checkpoint is a model at a step.
type Checkpoint struct{ readmodel.Checkpoint }

// RunID names the run that saved it.
func (c Checkpoint) RunID() event.RunID { return c.Run }

// DatasetDigest is that of what it is judged on.
func (c Checkpoint) DatasetDigest() event.Digest { return c.Dataset }

// Digest is that of the manifest.
func (c Checkpoint) Digest() event.Digest { return c.Checkpoint.Checkpoint }

// SavedAt is when it was durable.
func (c Checkpoint) SavedAt() time.Time { return c.At }

// Size is the bytes of all files.
func (c Checkpoint) Size() int64 {
	var n int64
	for _, f := range c.Files {
		n += f.Size
	}
	return n
}

// Alias is a name that points at a checkpoint.
type Alias struct{ readmodel.Alias }

// Name is what it is called.
func (a Alias) Name() string { return a.Alias.Alias }

// Evaluation is the scores of one checkpoint on one suite.
type Evaluation struct{ readmodel.Evaluation }

// OfID names the run that is judged.
func (e Evaluation) OfID() event.RunID { return e.Of }

// SuiteVersion is the suite's, 0 where it was not noted.
func (e Evaluation) SuiteVersion() int { return e.Version }

// AnswerCount is how many answers are kept one by one.
func (e Evaluation) AnswerCount() int64 { return e.EvaluationCompleted.Answers }

// FailedTasks are those without scores, never nil.
func (e Evaluation) FailedTasks() []event.TaskFailure {
	return append([]event.TaskFailure{}, e.Failed...)
}

// ResultsDigest is of the file with the answers, nil where there is none.
func (e Evaluation) ResultsDigest() *string {
	if e.Results == "" {
		return nil
	}
	d := string(e.Results)
	return &d
}
