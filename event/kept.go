package event

import (
	"cmp"
	"strconv"
)

// SnapshotTaken says that a copy of a read model is whole in storage. It is a shortcut, never the truth: a reader of another layout folds the
// log, or its archive, instead.
type SnapshotTaken struct {
	Place    uint64 `json:"place"`    // the copy holds the facts up to this place
	Fact     string `json:"fact"`     // id of the fact there, by which a log that was replaced is told
	Log      string `json:"log"`      // identity of the log
	Layout   int    `json:"layout"`   // of the read model's file
	Snapshot Digest `json:"snapshot"` // of the tree that names header and pieces
	Bytes    int64  `json:"bytes"`    // of the file
	Stored   int64  `json:"stored"`   // of its pieces in storage, those shared with earlier snapshots counted too
	By       string `json:"by,omitempty"`
}

// LogArchived says that the log's facts up to a place are whole in storage, read back and compared. The log may forget them. The newest
// one names the whole archive.
type LogArchived struct {
	Log      string `json:"log"`      // identity of the log
	Through  uint64 `json:"through"`  // the archive holds the facts from the first to this place
	Archive  Digest `json:"archive"`  // of the catalogue that names every segment
	Segments int    `json:"segments"` // how many there are
	Facts    int64  `json:"facts"`    // how many they hold
	Bytes    int64  `json:"bytes"`    // of all segments in storage
	By       string `json:"by,omitempty"`
}

// RunPruned says that parts of a run that people look at only for a while are gone: its console, or what its machines consumed.
type RunPruned struct {
	Run     RunID  `json:"run"`
	Console bool   `json:"console,omitempty"` // its lines and rows
	System  bool   `json:"system,omitempty"`  // its series named system/…
	By      string `json:"by,omitempty"`
}

// DatasetDeleted says that a dataset's bytes may be collected. The same content may be published again.
type DatasetDeleted struct {
	Dataset Digest `json:"dataset"`
	Force   bool   `json:"force,omitempty"` // although a run that is still recorded used it
	By      string `json:"by,omitempty"`
}

// ExperimentDeleted says that an experiment is gone. Its runs were deleted before, each by a fact of its own.
type ExperimentDeleted struct {
	Experiment ExperimentID `json:"experiment"`
	By         string       `json:"by,omitempty"`
}

// RetentionSet replaces a policy of what is kept: of one experiment's runs, or without an experiment of all others. A zero Retention
// keeps everything.
type RetentionSet struct {
	Experiment ExperimentID `json:"experiment,omitempty"`
	Policy     Retention    `json:"policy"`
	By         string       `json:"by,omitempty"`
}

// Retention is what may be deleted, and when. What is not named is kept for ever.
type Retention struct {
	// Checkpoints are thinned out once their run has ended; nil keeps all.
	Checkpoints *KeptCheckpoints `json:"checkpoints,omitempty"`
	// FailedRunsDays is how many days after its end a run that failed, crashed or was stopped is deleted; 0: never.
	FailedRunsDays Number `json:"failed_runs_days,omitempty"`
	// ConsoleDays and SystemDays are how many days after its end a run's console, and its series of machine usage, are deleted; 0: never.
	ConsoleDays Number `json:"console_days,omitempty"`
	SystemDays  Number `json:"system_days,omitempty"`
	// LogDays is how many days the log keeps facts before they are moved to the archive; 0: for ever. Only the default policy has it.
	LogDays Number `json:"log_days,omitempty"`
}

// KeptCheckpoints says which checkpoints of an ended run stay: those that any of these names. One that an alias names stays always.
type KeptCheckpoints struct {
	Best  int   `json:"best,omitempty"`  // so many with the best objective of their experiment
	Every int64 `json:"every,omitempty"` // those whose step is a multiple of it
	Last  int   `json:"last,omitempty"`  // so many of the newest
}

func (SnapshotTaken) Type() Type     { return "snapshot.taken" }
func (LogArchived) Type() Type       { return "log.archived" }
func (RunPruned) Type() Type         { return "run.pruned" }
func (DatasetDeleted) Type() Type    { return "dataset.deleted" }
func (ExperimentDeleted) Type() Type { return "experiment.deleted" }
func (RetentionSet) Type() Type      { return "retention.set" }

// Subject has the layout, so that the newest snapshot that a reader can use is the last on a subject.
func (e SnapshotTaken) Subject() string {
	return Prefix + "log.layout-" + strconv.Itoa(e.Layout) + ".snapshot_taken"
}
func (LogArchived) Subject() string      { return Prefix + "log.all.archived" }
func (e RunPruned) Subject() string      { return runSubject(e.Run, "pruned") }
func (e DatasetDeleted) Subject() string { return Prefix + "dataset." + e.Dataset.Hex() + ".deleted" }
func (e ExperimentDeleted) Subject() string {
	return Prefix + "experiment." + string(e.Experiment) + ".deleted"
}

// Subject lies with the experiment, or beside all of them.
func (e RetentionSet) Subject() string {
	return Prefix + "experiment." + cmp.Or(string(e.Experiment), "all") + ".retention_set"
}

func (SnapshotTaken) sealed()     {}
func (LogArchived) sealed()       {}
func (RunPruned) sealed()         {}
func (DatasetDeleted) sealed()    {}
func (ExperimentDeleted) sealed() {}
func (RetentionSet) sealed()      {}
