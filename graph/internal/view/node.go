package view

import (
	"encoding/json"
	"fmt"

	"millrace/event"
	"millrace/storage/readmodel"
)

// What global ids begin with; those of runs, experiments and datasets are their own.
const (
	CheckpointPrefix = "checkpoint:"
	EvaluationPrefix = "evaluation:"
	RulePrefix       = "rule:"
	ArtifactPrefix   = "artifact:"
)

// IsNode makes a checkpoint a Node.
func (Checkpoint) IsNode() {}

// ID is unique among all objects.
func (c Checkpoint) ID() string { return fmt.Sprintf("%s%s:%d", CheckpointPrefix, c.Run, c.Step) }

// IsNode makes an evaluation a Node.
func (Evaluation) IsNode() {}

// ID is unique among all objects: a run judges one checkpoint by one suite.
func (e Evaluation) ID() string { return EvaluationPrefix + string(e.Run) }

// Rule is an automation.
type Rule struct{ readmodel.Rule }

// IsNode makes a rule a Node.
func (Rule) IsNode() {}

// ID is unique among all objects.
func (r Rule) ID() string { return RulePrefix + string(r.Rule.Rule) }

// On is the type of event it waits for.
func (r Rule) On() string { return string(r.Rule.On) }

// Then is the action.
func (r Rule) Then() json.RawMessage { return json.RawMessage(r.Rule.Then) }

// LoggedArtifact is a file of a run.
type LoggedArtifact struct{ readmodel.Artifact }

// IsNode makes a file a Node.
func (LoggedArtifact) IsNode() {}

// ID is unique among all objects.
func (a LoggedArtifact) ID() string { return ArtifactPrefix + string(a.Run) + ":" + a.Path }

// Digest is that of its bytes.
func (a LoggedArtifact) Digest() event.Digest { return a.File.Digest }

// Size is in bytes.
func (a LoggedArtifact) Size() int64 { return a.File.Size }

// LineageNode is a thing in a lineage.
type LineageNode struct {
	ID       string
	Kind     string
	Name     string
	Distance int
}

// The pages of those lists, and their items.
type (
	RuleConnection           struct{ Page[Rule] }
	LoggedArtifactConnection struct{ Page[LoggedArtifact] }
	CheckpointConnection     struct{ Page[Checkpoint] }
	EvaluationConnection     struct{ Page[Evaluation] }
	TextSampleConnection     struct{ Page[readmodel.Text] }
	ConsoleLineConnection    struct{ Page[ConsoleLine] }
	AlertConnection          struct{ Page[readmodel.Alert] }

	RuleEdge           = Edge[Rule]
	LoggedArtifactEdge = Edge[LoggedArtifact]
	CheckpointEdge     = Edge[Checkpoint]
	EvaluationEdge     = Edge[Evaluation]
	TextSampleEdge     = Edge[readmodel.Text]
	ConsoleLineEdge    = Edge[ConsoleLine]
	AlertEdge          = Edge[readmodel.Alert]
)
