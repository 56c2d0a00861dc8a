package event

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// ExperimentCreated opens a question: a group of runs with an objective and a budget.
type ExperimentCreated struct {
	Experiment ExperimentID `json:"experiment"`
	Name       string       `json:"name"`
	Objective  *Objective   `json:"objective,omitempty"`
	Suites     []string     `json:"suites,omitempty"` // evaluated by default at every checkpoint
	// Evaluation says which checkpoints of its runs are judged, unless a run says otherwise.
	Evaluation *EvaluationPolicy `json:"evaluation,omitempty"`
	Budget     *Budget           `json:"budget,omitempty"`
	Note       string            `json:"note,omitempty"`
	Entity     string            `json:"entity,omitempty"`
	By         string            `json:"by,omitempty"`
}

// ExperimentUpdated replaces what is not nil.
type ExperimentUpdated struct {
	Experiment ExperimentID      `json:"experiment"`
	Name       *string           `json:"name,omitempty"`
	Objective  *Objective        `json:"objective,omitempty"`
	Suites     []string          `json:"suites,omitempty"`
	Evaluation *EvaluationPolicy `json:"evaluation,omitempty"`
	Budget     *Budget           `json:"budget,omitempty"`
	Note       *string           `json:"note,omitempty"`
	Archived   *bool             `json:"archived,omitempty"`
	Clear      []string          `json:"clear,omitempty"` // what is taken away: "objective", "suites", "evaluation", "budget"
}

// Objective is the metric that decides an experiment.
type Objective struct {
	Metric    string `json:"metric"`
	Direction string `json:"direction"` // "min" or "max"
}

// Budget bounds what an experiment may spend; a zero is no bound.
type Budget struct {
	Dollars       Number `json:"dollars,omitempty"`
	DeviceSeconds Number `json:"device_seconds,omitempty"`
}

// DatasetPublished says that a dataset is complete in storage. Its id is the digest of its manifest.
type DatasetPublished struct {
	Dataset   Digest    `json:"dataset"`
	Name      string    `json:"name"`
	Run       RunID     `json:"run"`
	Recipe    Digest    `json:"recipe"`
	Source    Digest    `json:"source,omitempty"` // of the content that was read
	Tokenizer Digest    `json:"tokenizer"`
	VocabSize int       `json:"vocab_size"`
	Splits    []Split   `json:"splits"`
	Dropped   []Dropped `json:"dropped,omitempty"`
	Bytes     int64     `json:"bytes"` // of all objects in storage
}

// Split is one part of a dataset.
type Split struct {
	Name      string `json:"name"` // "train", "held_out"
	Tokens    int64  `json:"tokens"`
	Documents int64  `json:"documents"`
	Bytes     int64  `json:"bytes"` // of text
	Shards    int    `json:"shards"`
}

// Dropped counts documents that were left out for one reason.
type Dropped struct {
	Reason    string `json:"reason"`
	Documents int64  `json:"documents"`
	Bytes     int64  `json:"bytes"`
}

// CheckpointSaved says that a checkpoint is durable in storage. Its digest is that of the manifest blob that lists its files.
// The evaluator needs nothing else.
type CheckpointSaved struct {
	Run        RunID        `json:"run"`
	Experiment ExperimentID `json:"experiment,omitempty"`
	Step       int64        `json:"step"`
	Checkpoint Digest       `json:"checkpoint"`
	Files      []File       `json:"files"`
	Dataset    Digest       `json:"dataset,omitempty"`
	Suites     []string     `json:"suites,omitempty"`
	Tokens     int64        `json:"tokens,omitempty"` // trained on so far
	Last       bool         `json:"last,omitempty"`   // the run's final one
	// Number counts the checkpoints of the run from 1; 0: nobody counted.
	Number int64 `json:"number,omitempty"`
	// Evaluation is the run's policy and Pins what its suites' names mean, so that whoever asks for evaluations has nobody to ask (see Due).
	Evaluation *EvaluationPolicy `json:"evaluation,omitempty"`
	Pins       []SuitePin        `json:"pins,omitempty"`
}

// EvaluationRequest is the job of judging a checkpoint on a suite. Its run id follows from (run, step, suite digest), so that
// however often it is asked for, it is done once.
func EvaluationRequest(c CheckpointSaved, suite string, suiteDigest Digest, code Code, by string) (RunRequested, error) {
	config, err := json.Marshal(map[string]any{"suite": suite, "suite_digest": suiteDigest})
	if err != nil {
		return RunRequested{}, err
	}
	spec := Spec{
		Kind: Evaluate, Config: config, Code: code,
		Inputs: []Input{
			{Role: "checkpoint", Digest: c.Checkpoint, Name: fmt.Sprintf("%s@%d", c.Run, c.Step)},
			{Role: "dataset", Digest: c.Dataset},
		},
	}
	digest, err := spec.Digest()
	if err != nil {
		return RunRequested{}, err
	}
	return RunRequested{
		GivesWay:   c.Evaluation != nil && c.Evaluation.Pending == PendingNewest,
		Run:        RunID(DerivedID("evaluate", string(c.Run), strconv.FormatInt(c.Step, 10), string(suiteDigest))),
		Experiment: c.Experiment, Name: fmt.Sprintf("%s of step %d", suite, c.Step), Spec: spec, SpecDigest: digest,
		Branch: &Branch{From: c.Run, Step: c.Step, Kind: Evaluation}, By: by,
	}, nil
}

// CheckpointDeleted says that a checkpoint's bytes may be collected.
type CheckpointDeleted struct {
	Run        RunID  `json:"run"`
	Step       int64  `json:"step"`
	Checkpoint Digest `json:"checkpoint"`
}

// AliasSet points a name ("best", "production") at a checkpoint, within an experiment.
type AliasSet struct {
	Experiment ExperimentID `json:"experiment"`
	Alias      string       `json:"alias"`
	Run        RunID        `json:"run"`
	Step       int64        `json:"step"`
	Checkpoint Digest       `json:"checkpoint"`
	By         string       `json:"by,omitempty"`
	Depth      int          `json:"depth,omitempty"` // as RunRequested.Depth
}

// EvaluationCompleted carries the scores of one checkpoint on one suite. An evaluation is a run of its own (Run); Of is the run judged.
type EvaluationCompleted struct {
	Run         RunID    `json:"run"`
	Of          RunID    `json:"of"`
	Step        int64    `json:"step"`
	Checkpoint  Digest   `json:"checkpoint"`
	Suite       string   `json:"suite"`
	SuiteDigest Digest   `json:"suite_digest"`
	Scores      []Score  `json:"scores"`
	Samples     []Sample `json:"samples,omitempty"`
	// Version is the suite's; Failed are its tasks that have no scores, and why.
	Version int           `json:"version,omitempty"`
	Failed  []TaskFailure `json:"failed,omitempty"`
	// Results is the file with every answer (millrace.results/1) in storage, "" where the suite has none; Answers is how many it has.
	Results Digest `json:"results,omitempty"`
	Answers int64  `json:"answers,omitempty"`
	// Model is what judged itself by an API's name, where there is no checkpoint: then Of is the evaluation's own run.
	// Model is the name of a model that answers elsewhere, by an API, and has no checkpoint: then Of is the evaluation's own run.
	Model string `json:"model,omitempty"`
	// SecondsWaited is from the evaluation's request, which follows a checkpoint's event within moments, to its start.
	SecondsWaited Number `json:"seconds_waited"`
	Seconds       Number `json:"seconds"`
}

// Score is one metric of one task, with its standard error and how many samples it is of.
type Score struct {
	Task   string  `json:"task"`
	Metric string  `json:"metric"` // "bits_per_byte", "perplexity", "acc_norm", …
	Value  Number  `json:"value"`
	Stderr *Number `json:"stderr,omitempty"`
	N      int64   `json:"n"`
	// Higher tells whether more is better.
	Higher bool `json:"higher,omitempty"`
}

// Sample is one prompt and what the model answered.
type Sample struct {
	Task   string `json:"task"`
	Prompt string `json:"prompt"`
	Text   string `json:"text"`
}

func (ExperimentCreated) Type() Type   { return "experiment.created" }
func (ExperimentUpdated) Type() Type   { return "experiment.updated" }
func (DatasetPublished) Type() Type    { return "dataset.published" }
func (CheckpointSaved) Type() Type     { return "checkpoint.saved" }
func (CheckpointDeleted) Type() Type   { return "checkpoint.deleted" }
func (AliasSet) Type() Type            { return "alias.set" }
func (EvaluationCompleted) Type() Type { return "evaluation.completed" }

func (e ExperimentCreated) Subject() string {
	return Prefix + "experiment." + string(e.Experiment) + ".created"
}
func (e ExperimentUpdated) Subject() string {
	return Prefix + "experiment." + string(e.Experiment) + ".updated"
}
func (e DatasetPublished) Subject() string {
	return Prefix + "dataset." + e.Dataset.Hex() + ".published"
}
func (e CheckpointSaved) Subject() string   { return runSubject(e.Run, "checkpoint_saved") }
func (e CheckpointDeleted) Subject() string { return runSubject(e.Run, "checkpoint_deleted") }
func (e AliasSet) Subject() string {
	return Prefix + "experiment." + string(e.Experiment) + ".alias_set"
}

// Subject lies with the run that is judged.
func (e EvaluationCompleted) Subject() string { return runSubject(e.Of, "evaluation_completed") }

func (ExperimentCreated) sealed()   {}
func (ExperimentUpdated) sealed()   {}
func (DatasetPublished) sealed()    {}
func (CheckpointSaved) sealed()     {}
func (CheckpointDeleted) sealed()   {}
func (AliasSet) sealed()            {}
func (EvaluationCompleted) sealed() {}
