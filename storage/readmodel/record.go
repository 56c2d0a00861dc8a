package readmodel

import (
	"encoding/json"
	"time"

	"millrace/event"
)

// Run is everything known of one run but its series, lines, rows and other long lists, which have queries of their own.
// A Run is a snapshot: its slices and maps are shared and must not be written to. Zero times mean "not yet".
type Run struct {
	ID  event.RunID `json:"id"`
	Seq uint64      `json:"seq"` // of the first fact about it
	// Bare tells that facts about the run came, but not yet the request that makes it: its kind and spec are unknown.
	Bare       bool               `json:"bare,omitempty"`
	Kind       event.RunKind      `json:"kind,omitempty"`
	Status     event.RunStatus    `json:"status"`
	Name       string             `json:"name,omitempty"`
	Note       string             `json:"note,omitempty"`
	Experiment event.ExperimentID `json:"experiment,omitempty"`
	Spec       event.Spec         `json:"spec"`
	SpecDigest event.Digest       `json:"spec_digest,omitempty"`
	Branch     *event.Branch      `json:"branch,omitempty"`
	StopAfter  int64              `json:"stop_after,omitempty"` // steps
	Suites     []string           `json:"suites,omitempty"`
	// Evaluation says which of its checkpoints are judged, Pins what the names of suites mean, GivesWay that it is an evaluation that ends
	// unbegun when there is a newer checkpoint to judge.
	Evaluation *event.EvaluationPolicy `json:"evaluation,omitempty"`
	Pins       []event.SuitePin        `json:"pins,omitempty"`
	GivesWay   bool                    `json:"gives_way,omitempty"`
	Tags       map[string]string       `json:"tags,omitempty"`
	Labels     []string                `json:"labels,omitempty"` // sorted, a set
	By         string                  `json:"by,omitempty"`
	Archived   bool                    `json:"archived,omitempty"`
	// Of runs of kind external.
	Group   string `json:"group,omitempty"`
	JobType string `json:"job_type,omitempty"`
	// ForeignID is the script's own name for the run; State what it last said of itself, "preempting".
	ForeignID string `json:"foreign_id,omitempty"`
	State     string `json:"state,omitempty"`
	// HeartbeatSeconds is how often it shows a sign of life at least.
	HeartbeatSeconds int64 `json:"heartbeat_seconds,omitempty"`
	// Damaged says why the run's record cannot be read; what is shown of it is then only what lists need. "" is the rule.
	Damaged string `json:"damaged,omitempty"`

	CreatedAt   time.Time `json:"created_at,omitzero"`
	StartedAt   time.Time `json:"started_at,omitzero"` // of the first attempt
	EndedAt     time.Time `json:"ended_at,omitzero"`   // of the last attempt; zero while it goes on
	UpdatedAt   time.Time `json:"updated_at,omitzero"` // of the newest fact but metrics and usage
	HeartbeatAt time.Time `json:"heartbeat_at,omitzero"`
	// Heartbeats is the last sign of life of each writer that sends heartbeats.
	Heartbeats map[event.WriterID]time.Time `json:"heartbeats,omitempty"`

	Attempts   []Attempt            `json:"attempts,omitempty"` // by number
	Progress   *event.RunProgressed `json:"progress,omitempty"`
	ProgressAt time.Time            `json:"progress_at,omitzero"`
	Failure    *event.Failure       `json:"failure,omitempty"` // of the last ended attempt
	Steps      int64                `json:"steps,omitempty"`
	Outputs    []event.Input        `json:"outputs,omitempty"`
	Stop       *StopWish            `json:"stop,omitempty"`
	RewoundTo  *int64               `json:"rewound_to,omitempty"`
	Resume     int                  `json:"resume,omitempty"` // how often it was asked to go on
	Starred    bool                 `json:"starred,omitempty"`
	// From is the checkpoint of another run that it began at, SaveAt the steps at which it saves more of them than its configuration says.
	From   *event.CheckpointSaved `json:"from,omitempty"`
	SaveAt []int64                `json:"save_at,omitempty"`
	// Budget bounds what it may spend, Reached is the last line of it that was crossed.
	Budget  *event.Budget  `json:"budget,omitempty"`
	Reached *event.Reached `json:"reached,omitempty"`
	// Depth is how many rules stand between the run and a person.
	Depth int `json:"depth,omitempty"`

	Reproduction *event.ReproductionVerified `json:"reproduction,omitempty"`
	// Usage is the newest sample; its numbers over time are series named "system/…".
	Usage *event.UsageSampled `json:"usage,omitempty"`
	// Spent is the newest of each (attempt, worker, device).
	Spent []Spending `json:"spent,omitempty"`
	// Kept is what it has in storage: of objects that several runs keep, those that it kept first.
	Kept Kept `json:"kept,omitzero"`
}

// Foreign tells whether the run is somebody else's script, which runs by itself: no worker of this platform takes it, starts it or ends it.
func (r Run) Foreign() bool { return r.Kind == event.External && len(r.Spec.Command) == 0 }

// Worker is who does or did the last attempt, "" before the first.
func (r Run) Worker() event.WorkerID {
	if len(r.Attempts) == 0 {
		return ""
	}
	return r.Attempts[len(r.Attempts)-1].Worker
}

// Environment is what the last attempt found itself on, nil before the first.
func (r Run) Environment() *event.Environment {
	if len(r.Attempts) == 0 {
		return nil
	}
	return &r.Attempts[len(r.Attempts)-1].Environment
}

// Attempt is one delivery of a run's job to a worker.
type Attempt struct {
	Attempt     int               `json:"attempt"`
	Worker      event.WorkerID    `json:"worker,omitempty"`
	Environment event.Environment `json:"environment"`
	ResumedFrom *int64            `json:"resumed_from,omitempty"` // step
	StartedAt   time.Time         `json:"started_at,omitzero"`
	EndedAt     time.Time         `json:"ended_at,omitzero"`
	// SeenAt is the last sign of life of an attempt that nobody ended: its worker died.
	SeenAt   time.Time       `json:"seen_at,omitzero"`
	Status   event.RunStatus `json:"status,omitempty"` // how it ended
	Failure  *event.Failure  `json:"failure,omitempty"`
	ExitCode *int            `json:"exit_code,omitempty"` // of a foreign script's process
}

// StopWish is a request to stop.
type StopWish struct {
	By     string    `json:"by,omitempty"`
	Reason string    `json:"reason,omitempty"`
	Pause  bool      `json:"pause,omitempty"`
	At     time.Time `json:"at"`
}

// Spending is what an attempt has spent on a device so far, and when that was said.
type Spending struct {
	event.ResourcesSpent
	At time.Time `json:"at"`
}

// Experiment is a question with its objective, default suites and budget.
type Experiment struct {
	ID        event.ExperimentID `json:"id"`
	Seq       uint64             `json:"seq"`
	Bare      bool               `json:"bare,omitempty"` // runs name it, but it was never created
	Name      string             `json:"name,omitempty"`
	Objective *event.Objective   `json:"objective,omitempty"`
	Suites    []string           `json:"suites,omitempty"`
	// Evaluation says which checkpoints of its runs are judged, unless a run says otherwise.
	Evaluation *event.EvaluationPolicy `json:"evaluation,omitempty"`
	Budget     *event.Budget           `json:"budget,omitempty"`
	Reached    *event.Reached          `json:"reached,omitempty"` // the last line of the budget that was crossed
	Note       string                  `json:"note,omitempty"`
	Entity     string                  `json:"entity,omitempty"`
	By         string                  `json:"by,omitempty"`
	Archived   bool                    `json:"archived,omitempty"`
	CreatedAt  time.Time               `json:"created_at,omitzero"`
	UpdatedAt  time.Time               `json:"updated_at,omitzero"`
}

// Dataset is a published dataset and when it was.
type Dataset struct {
	event.DatasetPublished
	Seq uint64    `json:"seq"`
	At  time.Time `json:"at"`
}

// Checkpoint is a saved checkpoint. Deleted ones stay listed only where asked for.
type Checkpoint struct {
	event.CheckpointSaved
	Seq     uint64    `json:"seq"`
	At      time.Time `json:"at"`
	Deleted bool      `json:"deleted,omitempty"`
}

// Evaluation is the scores of one checkpoint on one suite. Its identity is (judged run, step, checkpoint, suite digest); the
// first one stays.
type Evaluation struct {
	event.EvaluationCompleted
	Seq uint64    `json:"seq"`
	At  time.Time `json:"at"`
}

// Alias is a name for a checkpoint within an experiment.
type Alias struct {
	event.AliasSet
	Seq uint64    `json:"seq"`
	At  time.Time `json:"at"`
}

// Line is one console line.
type Line struct {
	Number int64     `json:"number"`
	Text   string    `json:"text"`
	At     time.Time `json:"at"`
}

// Row is one raw JSON row of a foreign stream.
type Row struct {
	Number int64           `json:"number"`
	Row    json.RawMessage `json:"row"`
	At     time.Time       `json:"at"`
}

// Text is a logged piece of text, e.g. a generated sample.
type Text struct {
	event.TextLogged
	At time.Time `json:"at"`
}

// Artifact is a file that a run made or used.
type Artifact struct {
	event.ArtifactLogged
	At time.Time `json:"at"`
}

// Alert is something a person should see.
type Alert struct {
	event.AlertRaised
	Seq uint64    `json:"seq"`
	At  time.Time `json:"at"`
}

// Deletion is what is left of a deleted run.
type Deletion struct {
	Run   event.RunID `json:"run"`
	By    string      `json:"by,omitempty"`
	Seq   uint64      `json:"seq"`
	At    time.Time   `json:"at"`
	Freed int64       `json:"freed"` // bytes of keys and values that the run held in the read model
}

// Edge says that one thing came out of another. Ends are "run:<id>" or a digest ("sha256:…").
type Edge struct {
	From string `json:"from"` // the source: what was read, or the run that made
	To   string `json:"to"`   // what came of it
	// Role says how: "dataset", "tokenizer", "checkpoint", "model", "output", "fork", "reproduction", "evaluation", ….
	Role string `json:"role"`
	Name string `json:"name,omitempty"`
}

// Snapshot is a copy of a read model in storage. Those that were collected are listed still.
type Snapshot struct {
	event.SnapshotTaken
	Seq uint64    `json:"seq"`
	At  time.Time `json:"at"`
}

// Archive is where the log's beginning lies.
type Archive struct {
	event.LogArchived
	Seq uint64    `json:"seq"`
	At  time.Time `json:"at"`
}

// Policy is what may be deleted of an experiment's runs, or without an experiment of all others.
type Policy struct {
	event.RetentionSet
	Seq uint64    `json:"seq"`
	At  time.Time `json:"at"`
}
