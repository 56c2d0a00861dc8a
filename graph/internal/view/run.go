package view

import (
	"encoding/json"
	"sort"
	"time"

	"millrace/event"
	"millrace/storage/readmodel"
)

// Node is anything with an id that can be asked for by it.
type Node interface{ IsNode() }

// Run is a run as it stood when it was read.
type Run struct {
	readmodel.Run
	// At is when it was read: until then a running run has been running.
	At time.Time
	// AsOf is the place in the log up to which the reader had read.
	AsOf uint64
}

// IsNode makes a run a Node.
func (Run) IsNode() {}

// Kind is what the run does. Facts may come before the request that makes the run (a foreign script's); such a run is external.
func (r Run) Kind() event.RunKind {
	if r.Run.Kind == "" {
		return event.External
	}
	return r.Run.Kind
}

// ByWorker tells whether a worker of this platform does it.
func (r Run) ByWorker() bool { return r.Run.Kind != "" && r.Run.Spec.Worked() }

// Status is where the run stands.
func (r Run) Status() event.RunStatus {
	if r.Run.Status == "" {
		return event.Pending
	}
	return r.Run.Status
}

// Spec is the recorded specification as JSON.
func (r Run) Spec() (json.RawMessage, error) { return json.Marshal(r.Run.Spec) }

// Inputs are what the run reads.
func (r Run) Inputs() []event.Input { return r.Run.Spec.Inputs }

// Code is the program that was to run.
func (r Run) Code() event.Code { return r.Run.Spec.Code }

// Tag is one key with its value.
type Tag struct{ Key, Value string }

// Tags are sorted by key.
func (r Run) Tags() []Tag { return sortedTags(r.Run.Tags) }

func sortedTags(of map[string]string) []Tag {
	tags := make([]Tag, 0, len(of))
	for k, v := range of {
		tags = append(tags, Tag{k, v})
	}
	sort.Slice(tags, func(i, j int) bool { return tags[i].Key < tags[j].Key })
	return tags
}

// Damaged says why the run's record cannot be read, nil as a rule.
func (r Run) Damaged() *string {
	if r.Run.Damaged == "" {
		return nil
	}
	return &r.Run.Damaged
}

// Attempts counts how often the job was taken.
func (r Run) Attempts() int { return len(r.Run.Attempts) }

// StopRequested tells whether somebody asked the run to stop.
func (r Run) StopRequested() bool { return r.Stop != nil }

// StartedAt is nil before the first attempt.
func (r Run) StartedAt() *time.Time { return some(r.Run.StartedAt) }

// EndedAt is nil while the run goes on.
func (r Run) EndedAt() *time.Time { return some(r.Run.EndedAt) }

// Seconds is how long it was worked at, until it was read.
func (r Run) Seconds() float64 { return r.Worked(r.At).Seconds() }

// WallSeconds is from the first start to the end, or until it was read.
func (r Run) WallSeconds() float64 {
	if r.Run.StartedAt.IsZero() {
		return 0
	}
	end := r.Run.EndedAt
	if end.IsZero() {
		end = r.At
	}
	return max(0, end.Sub(r.Run.StartedAt).Seconds())
}

// Seq never goes back from one reading to the next, and grows with every fact that changed the run.
func (r Run) Seq() int64 { return int64(r.AsOf) }

// Usage is the newest sample, nil when there is none.
func (r Run) Usage() *Usage {
	if r.Run.Usage == nil {
		return nil
	}
	return &Usage{r.Run.Usage.Usage}
}

// Reproduction is the verdict so far, nil when the run reproduces nothing.
func (r Run) Reproduction() *Reproduction {
	if v := r.Run.Reproduction; v != nil {
		return &Reproduction{
			OfID: v.Of, Verdict: v.Verdict, Points: v.Points, Digests: v.Digests,
			FirstDifference: v.FirstDifference, Environment: v.Environment,
		}
	}
	if r.Branch == nil || r.Branch.Kind != "reproduction" {
		return nil
	}
	return &Reproduction{OfID: r.Branch.From, Verdict: "running"} // until the verdict is a fact: it follows the end of the run
}

// Lineage is answered field by field.
func (r Run) Lineage() Lineage { return Lineage{Of: r.ID} }

// Lineage is what a run came from and what came of it.
type Lineage struct{ Of event.RunID }

// Reproduction is a verdict, or that there is none yet.
type Reproduction struct {
	OfID            event.RunID
	Verdict         string
	Points, Digests int64
	FirstDifference *event.Difference
	Environment     []string
}

// Usage is one sample of what a worker consumed.
type Usage struct{ event.Usage }

// At is when the sample was taken.
func (u Usage) At() time.Time { return time.UnixMicro(u.Usage.At).UTC() }

// ConsoleLine is one line of a stream.
type ConsoleLine struct {
	Stream string
	Line   int64
	Text   string
}

func some(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
