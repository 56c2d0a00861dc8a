package event

import "time"

// Type is a fact's name on the wire: the CloudEvents type is "millrace." + Type + ".v1".
type Type string

// Event is one fact. The set is sealed: every implementation is in this package and in All.
type Event interface {
	// Type names the fact, e.g. "run.requested".
	Type() Type
	// Subject is where the fact lies in the log, e.g. "millrace.run.01J….started".
	Subject() string
	sealed()
}

// Envelope is a fact with its circumstances.
type Envelope struct {
	// ID is unique per fact; a repeat of the same publish carries the same ID.
	ID string
	// Source says who published it, e.g. "/node/laptop/training".
	Source string
	// Time is when it happened, as its publisher saw it (UTC).
	Time time.Time
	// Seq is the fact's place in the log, counted from 1; 0 until the log has it.
	Seq uint64
	// Writer and Sequence, where there are some, number the facts of one process that logs a run, rising: the fold ignores one that is
	// not greater than the writer's last (Batch tells how they are made). Without a number (0) a fact counts always.
	Writer   WriterID
	Sequence uint64
	// Event is the fact itself.
	Event Event
}

// Prefix starts every subject; Subjects matches every fact there is.
const (
	Prefix   = "millrace."
	Subjects = "millrace.>"
)

// RunFacts is the filter for all facts of one run except its metric points, which travel packed (see MetricsLogged).
func RunFacts(run RunID) string { return Prefix + "run." + string(run) + ".>" }

// Requested is the filter for jobs of a kind: what a worker of that kind listens to.
func Requested(kind RunKind) string {
	if kind == External { // scripts that run by themselves are nobody's jobs
		kind = commands
	}
	return Prefix + "run.*.requested." + string(kind)
}

// FactOf is the filter for one fact of any subject of an area, e.g. FactOf("run", "finished").
func FactOf(area, fact string) string { return Prefix + area + ".*." + fact }

func runSubject(run RunID, fact string) string { return Prefix + "run." + string(run) + "." + fact }
