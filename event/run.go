package event

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// RunKind is what a run does.
type RunKind string

// The kinds of run.
const (
	Curate   RunKind = "curate"
	Train    RunKind = "train"
	Finetune RunKind = "finetune"
	Evaluate RunKind = "evaluate"
	External RunKind = "external" // somebody else's training script
	Judge    RunKind = "judge"    // a model elsewhere votes in a contest
)

// commands ends the subject of a request that a worker of commands takes.
const commands = "command"

// RunStatus is where a run stands. Pending → Running → one of the rest; a redelivered job goes back to Running, a resumed run to Pending.
type RunStatus string

// The statuses of a run.
const (
	Pending  RunStatus = "pending"
	Running  RunStatus = "running"
	Finished RunStatus = "finished"
	Failed   RunStatus = "failed"
	Stopped  RunStatus = "stopped"
	Crashed  RunStatus = "crashed" // derived from silence
	Paused   RunStatus = "paused"  // it stands still at its last checkpoint, until somebody resumes it
)

// Ended tells whether nothing more is expected of a run with this status, unless it is resumed.
func (s RunStatus) Ended() bool { return s == Finished || s.Resumable() }

// Resumable tells whether a run with this status can be asked to go on.
func (s RunStatus) Resumable() bool {
	return s == Failed || s == Stopped || s == Crashed || s == Paused
}

// Spec is everything needed to do a run again. It is immutable; runs with one spec digest are the same experiment.
type Spec struct {
	Kind RunKind `json:"kind"`
	// Config is the resolved configuration as canonical JSON: every default written out.
	Config json.RawMessage `json:"config"`
	// Inputs are the immutable things read, by role.
	Inputs []Input `json:"inputs,omitempty"`
	// Engine is the device kind asked for: "auto", "cpu", "cuda".
	Engine string `json:"engine,omitempty"`
	// Command is what a worker starts for a run of kind external, as canonical JSON with every default written out (services/external);
	// without one the run is somebody else's script, which runs by itself and only logs here.
	Command json.RawMessage `json:"command,omitempty"`
	// Code says which program was to run.
	Code Code `json:"code"`
}

// Input is one immutable thing a run reads.
type Input struct {
	Role   string `json:"role"` // "dataset", "tokenizer", "checkpoint", "model"
	Digest Digest `json:"digest"`
	Name   string `json:"name,omitempty"`
}

// Code identifies the program by its version control state.
type Code struct {
	Version  string `json:"version,omitempty"`
	Revision string `json:"revision,omitempty"`
	Modified bool   `json:"modified,omitempty"` // the tree had uncommitted changes
}

// Digest hashes the spec's canonical JSON (keys sorted, no insignificant space).
func (s Spec) Digest() (Digest, error) {
	raw, err := json.Marshal(s)
	if err != nil {
		return "", fmt.Errorf("event: spec: %w", err)
	}
	canon, err := CanonicalJSON(raw)
	if err != nil {
		return "", fmt.Errorf("event: spec: %w", err)
	}
	return DigestOf(canon), nil
}

// Worked tells whether a worker of this platform does the run. A script that only logs here does itself.
func (s Spec) Worked() bool { return s.Kind != External || len(s.Command) > 0 }

// Input returns the digest of the input with a role, or "".
func (s Spec) Input(role string) Digest {
	for _, in := range s.Inputs {
		if in.Role == role {
			return in.Digest
		}
	}
	return ""
}

// CanonicalJSON rewrites JSON with sorted keys, no insignificant space and numbers as they were written.
func CanonicalJSON(raw []byte) ([]byte, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("event: not JSON: %w", err)
	}
	if dec.More() {
		return nil, fmt.Errorf("event: not JSON: text after the value")
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil { // maps are written with sorted keys
		return nil, err
	}
	return bytes.TrimRight(out.Bytes(), "\n"), nil
}

// Environment is what a run found itself on. It is recorded, compared when a reproduction differs, and not part of the spec.
type Environment struct {
	Host      string   `json:"host,omitempty"`
	OS        string   `json:"os"`
	Arch      string   `json:"arch"`
	Go        string   `json:"go"`
	Binary    Digest   `json:"binary,omitempty"` // of the running executable
	CPU       string   `json:"cpu,omitempty"`
	Cores     int      `json:"cores,omitempty"`
	Memory    int64    `json:"memory,omitempty"` // bytes
	Engine    string   `json:"engine,omitempty"` // device kind in use
	Kernels   string   `json:"kernels,omitempty"`
	Threads   int      `json:"threads,omitempty"`
	GPUs      []string `json:"gpus,omitempty"`
	GPUDriver string   `json:"gpu_driver,omitempty"`
}

// Branch says where a run grew out of another: a fork continues from a step, a reproduction repeats from the start, an
// evaluation judges a checkpoint.
type Branch struct {
	From RunID  `json:"from"`
	Step int64  `json:"step,omitempty"`
	Kind string `json:"kind"`
}

// The kinds of branch.
const (
	Fork         = "fork"
	Reproduction = "reproduction"
	Evaluation   = "evaluation"
	Finetuning   = "finetune"
)

// RunRequested is a job and the run's record: whoever Works its kind does it. It is published once per run id, and once more for every
// resumption, which says again what the run is and where it goes on.
type RunRequested struct {
	Run        RunID        `json:"run"`
	Experiment ExperimentID `json:"experiment,omitempty"`
	Name       string       `json:"name,omitempty"`
	Spec       Spec         `json:"spec"`
	SpecDigest Digest       `json:"spec_digest"`
	Branch     *Branch      `json:"branch,omitempty"`
	StopAfter  int64        `json:"stop_after,omitempty"` // steps; 0: as the spec says
	// Candidates are datasets made by the same recipe before: a curate run whose sources have not changed ends in one of them.
	Candidates []Digest          `json:"candidates,omitempty"`
	Suites     []string          `json:"suites,omitempty"` // evaluated at every checkpoint
	Tags       map[string]string `json:"tags,omitempty"`
	Labels     []string          `json:"labels,omitempty"`
	By         string            `json:"by,omitempty"`
	// Of runs of kind external: what somebody else's script says of itself.
	Note    string `json:"note,omitempty"`
	Group   string `json:"group,omitempty"`
	JobType string `json:"job_type,omitempty"`
	// ForeignID is the script's own name for the run, unique within its experiment.
	ForeignID string `json:"foreign_id,omitempty"`
	// HeartbeatSeconds is how often the script shows a sign of life at least; after three times as long a silence it counts as crashed.
	HeartbeatSeconds int64 `json:"heartbeat_seconds,omitempty"`
	// Environment is where the script runs. An external run runs from its request on, as attempt 1: nobody takes it.
	Environment *Environment `json:"environment,omitempty"`
	// At is when its script began, in µs since 1970, where that is not when this was published; 0: it is.
	At int64 `json:"at,omitempty"`

	// From is the checkpoint to begin at: a fork's is its parent's, a resumed run's its own newest. nil: the beginning.
	From *CheckpointSaved `json:"from,omitempty"`
	// Resume is 0 for a new run and counts the resumptions of one that stood still. Attempts is how many attempts there were before:
	// the job's are numbered on from there.
	Resume   int `json:"resume,omitempty"`
	Attempts int `json:"attempts,omitempty"`
	// SaveAt are steps at which a checkpoint is saved besides those of the configuration: a reproduction saves where its original was
	// stopped, to have something to compare.
	SaveAt []int64 `json:"save_at,omitempty"`
	// Budget bounds what the run may spend, over all attempts.
	Budget *Budget `json:"budget,omitempty"`
	// Evaluation says which of its checkpoints are judged; nil: each, on Suites. Pins is what the names of all these suites mean.
	Evaluation *EvaluationPolicy `json:"evaluation,omitempty"`
	Pins       []SuitePin        `json:"pins,omitempty"`
	// GivesWay lets an evaluation that nobody has begun end when its run saves a newer checkpoint that is judged on the same suite.
	GivesWay bool `json:"gives_way,omitempty"`
	// Depth is how many rules stand between the run and a person, each having acted on what the one before had caused; 0: none.
	Depth int `json:"depth,omitempty"`
}

// RunStarted says that a worker took the job; Attempt counts from 1 and grows with every redelivery.
type RunStarted struct {
	Run         RunID       `json:"run"`
	Attempt     int         `json:"attempt"`
	Worker      WorkerID    `json:"worker"`
	Environment Environment `json:"environment"`
	ResumedFrom *int64      `json:"resumed_from,omitempty"` // step of the checkpoint, when not from the start
	// At is when it was, in µs since 1970, where that is not when this was published; 0: it is.
	At int64 `json:"at,omitempty"`
}

// RunProgressed says how far a run is, for progress bars. Not every one is kept by the read model: the last one counts.
type RunProgressed struct {
	Run   RunID  `json:"run"`
	Phase string `json:"phase"` // "read", "tokenizer", "pack", "train", "evaluate"
	Done  int64  `json:"done"`
	Total int64  `json:"total,omitempty"` // 0: unknown
	Unit  string `json:"unit"`            // "bytes", "documents", "merges", "steps"
	// SecondsLeft is the worker's own estimate; nil when it has none.
	SecondsLeft *float64 `json:"seconds_left,omitempty"`
}

// RunHeartbeat says that a run's writer lives although it has nothing to tell.
type RunHeartbeat struct {
	Run    RunID    `json:"run"`
	Writer WriterID `json:"writer"`
	// State is what the script says of itself beyond that it lives, in its own words: "preempting".
	State string `json:"state,omitempty"`
}

// RunStopRequested asks a run to stop at its next safe point: for a training run, with a checkpoint after the step at hand.
type RunStopRequested struct {
	Run    RunID  `json:"run"`
	By     string `json:"by,omitempty"` // ByBudget when it is the budget that asks
	Reason string `json:"reason,omitempty"`
	Pause  bool   `json:"pause,omitempty"` // it ends as Paused rather than Stopped
}

// ByBudget is who asks a run to stop because its budget, or its experiment's, is spent.
const ByBudget = "budget"

// Failure is why a run did not finish, for people: what happened and what to do.
type Failure struct {
	Code    string `json:"code"` // "nan_loss", "empty_corpus", "storage", "bad_config", …
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// RunEnded is the last word on a run's attempt.
type RunEnded struct {
	Run     RunID     `json:"run"`
	Attempt int       `json:"attempt"` // of a run that ends before a worker had it: the last one before, or 0
	Status  RunStatus `json:"status"`  // Finished, Failed, Stopped, Paused or Crashed
	Failure *Failure  `json:"failure,omitempty"`
	Steps   int64     `json:"steps,omitempty"`
	Outputs []Input   `json:"outputs,omitempty"` // what it made, by role
	// ExitCode is that of a foreign script's process, where it is known.
	ExitCode *int `json:"exit_code,omitempty"`
	// At is when it ended, in µs since 1970, where that is not when this was published; 0: it is.
	At int64 `json:"at,omitempty"`
}

// RunTagged sets and removes tags (key → value) and labels (a set).
type RunTagged struct {
	Run          RunID             `json:"run"`
	Set          map[string]string `json:"set,omitempty"`
	Unset        []string          `json:"unset,omitempty"`
	AddLabels    []string          `json:"add_labels,omitempty"`
	RemoveLabels []string          `json:"remove_labels,omitempty"`
}

// RunNoted replaces a run's note or name; nil leaves it.
type RunNoted struct {
	Run  RunID   `json:"run"`
	Name *string `json:"name,omitempty"`
	Note *string `json:"note,omitempty"`
}

// RunArchived hides a run from lists, or shows it again.
type RunArchived struct {
	Run      RunID `json:"run"`
	Archived bool  `json:"archived"`
}

// RunDeleted removes a run from every view and frees its space.
type RunDeleted struct {
	Run RunID  `json:"run"`
	By  string `json:"by,omitempty"`
}

// RunRewound hides everything logged after a step; what was logged stays in the log.
type RunRewound struct {
	Run  RunID `json:"run"`
	Step int64 `json:"step"`
}

// ReproductionVerified is the verdict on a reproduction: identical, or where it first differs.
type ReproductionVerified struct {
	Run             RunID       `json:"run"` // the reproduction
	Of              RunID       `json:"of"`
	Verdict         string      `json:"verdict"` // "identical", "different", "incomplete"
	Points          int64       `json:"points"`  // metric points compared bit for bit
	Digests         int64       `json:"digests"` // checkpoint digests compared
	FirstDifference *Difference `json:"first_difference,omitempty"`
	Environment     []string    `json:"environment,omitempty"` // what differs in the environment, "field: a → b"
}

// Difference is one metric point or digest that was not the same.
type Difference struct {
	Step int64  `json:"step"`
	Key  string `json:"key"` // metric key, or "checkpoint"
	Was  string `json:"was"`
	Is   string `json:"is"`
}

func (RunRequested) Type() Type         { return "run.requested" }
func (RunStarted) Type() Type           { return "run.started" }
func (RunProgressed) Type() Type        { return "run.progressed" }
func (RunHeartbeat) Type() Type         { return "run.heartbeat" }
func (RunStopRequested) Type() Type     { return "run.stop_requested" }
func (RunEnded) Type() Type             { return "run.ended" }
func (RunTagged) Type() Type            { return "run.tagged" }
func (RunNoted) Type() Type             { return "run.noted" }
func (RunArchived) Type() Type          { return "run.archived" }
func (RunDeleted) Type() Type           { return "run.deleted" }
func (RunRewound) Type() Type           { return "run.rewound" }
func (ReproductionVerified) Type() Type { return "reproduction.verified" }

// Subject ends in the kind, so that a worker's filter picks its jobs only; a command's ends otherwise than those of scripts, which nobody takes.
func (e RunRequested) Subject() string {
	if e.Spec.Kind == External && e.Spec.Worked() {
		return runSubject(e.Run, "requested."+commands)
	}
	return runSubject(e.Run, "requested."+string(e.Spec.Kind))
}
func (e RunStarted) Subject() string           { return runSubject(e.Run, "started") }
func (e RunProgressed) Subject() string        { return runSubject(e.Run, "progressed") }
func (e RunHeartbeat) Subject() string         { return runSubject(e.Run, "heartbeat") }
func (e RunStopRequested) Subject() string     { return runSubject(e.Run, "stop_requested") }
func (e RunEnded) Subject() string             { return runSubject(e.Run, "ended") }
func (e RunTagged) Subject() string            { return runSubject(e.Run, "tagged") }
func (e RunNoted) Subject() string             { return runSubject(e.Run, "noted") }
func (e RunArchived) Subject() string          { return runSubject(e.Run, "archived") }
func (e RunDeleted) Subject() string           { return runSubject(e.Run, "deleted") }
func (e RunRewound) Subject() string           { return runSubject(e.Run, "rewound") }
func (e ReproductionVerified) Subject() string { return runSubject(e.Run, "verified") }

func (RunRequested) sealed()         {}
func (RunStarted) sealed()           {}
func (RunProgressed) sealed()        {}
func (RunHeartbeat) sealed()         {}
func (RunStopRequested) sealed()     {}
func (RunEnded) sealed()             {}
func (RunTagged) sealed()            {}
func (RunNoted) sealed()             {}
func (RunArchived) sealed()          {}
func (RunDeleted) sealed()           {}
func (RunRewound) sealed()           {}
func (ReproductionVerified) sealed() {}
