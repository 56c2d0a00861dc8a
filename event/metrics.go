package event

// Identity says what makes two points of a frame's run the same point.
type Identity uint8

const (
	// ByStep: one value per (run, key, context, writer, step); a repeat is dropped, the first stays. A resumed training run logs again
	// what it logged before, harmlessly.
	ByStep Identity = 0
	// ByContent: points are a set of (step, time, value); steps may repeat and go back, as in MLflow.
	ByContent Identity = 1
)

// Series is a run's points of one key in one context, as parallel columns of equal length, in the order they were logged.
type Series struct {
	Key     string
	Context string // canonical JSON of a dimension set, "" for none (Aim's context)
	Steps   []int64
	Times   []int64 // microseconds since 1970, UTC
	Values  []float64
}

// Frame is what one writer logged of one run at once.
type Frame struct {
	Run      RunID
	Writer   WriterID
	Identity Identity
	// Sequence numbers the frame among the facts of its writer, as Envelope.Sequence does; 0: it has no number, and counts always.
	Sequence uint64
	Series   []Series
}

// Points counts the points of a frame.
func (f Frame) Points() int {
	n := 0
	for _, s := range f.Series {
		n += len(s.Steps)
	}
	return n
}

// MetricsLogged carries frames of one or more runs, packed by the process that publishes them (group commit: one durable
// write for all who wait). Its body is a compact column frame, docs/formats/metrics.md; NaN and ±Inf are kept.
type MetricsLogged struct {
	// Gateway names the publishing process; it becomes part of the subject.
	Gateway WorkerID
	Frames  []Frame
}

// MetricDefined says how to read a metric: its summary, its direction, its own step axis (wandb's define_metric).
type MetricDefined struct {
	Run     RunID    `json:"run"`
	Key     string   `json:"key"` // may end in '*'
	Summary []string `json:"summary,omitempty"`
	Goal    string   `json:"goal,omitempty"` // "min", "max"
	StepKey string   `json:"step_key,omitempty"`
	Unit    string   `json:"unit,omitempty"`
	Hidden  bool     `json:"hidden,omitempty"`
}

// Param is one hyper-parameter of a run, with the JSON value it was given.
type Param struct {
	Path      string  `json:"path"` // dotted
	Value     RawJSON `json:"value"`
	Origin    string  `json:"origin,omitempty"` // "spec", "client", "mlflow", "wandb"
	WriteOnce bool    `json:"write_once,omitempty"`
}

// ParamsLogged adds hyper-parameters of a run after its start (foreign scripts do).
type ParamsLogged struct {
	Run    RunID   `json:"run"`
	Params []Param `json:"params"`
}

// RowsLogged carries raw JSON rows of a stream ("history", "system"), each at its line; nothing of a foreign client is lost.
type RowsLogged struct {
	Run    RunID     `json:"run"`
	Stream string    `json:"stream"`
	First  int64     `json:"first"` // line number of the first row
	Rows   []RawJSON `json:"rows"`
}

// LinesLogged carries console lines; a line number may be written again (progress bars).
type LinesLogged struct {
	Run    RunID    `json:"run"`
	Stream string   `json:"stream"` // "stdout", "stderr", "log"
	First  int64    `json:"first"`
	Lines  []string `json:"lines"`
}

// TextLogged carries a piece of text at a step: a generated sample, a prompt and its answer.
type TextLogged struct {
	Run    RunID    `json:"run"`
	Writer WriterID `json:"writer"`
	Key    string   `json:"key"`
	Step   int64    `json:"step"`
	Prompt string   `json:"prompt,omitempty"`
	Text   string   `json:"text"`
}

// ArtifactLogged names a file or tree that a run made or used; its bytes are in storage already.
type ArtifactLogged struct {
	Run   RunID  `json:"run"`
	Path  string `json:"path"`
	Role  string `json:"role"` // "output", "input", "image", "table", "model"
	Step  *int64 `json:"step,omitempty"`
	File  File   `json:"file"`
	Media string `json:"media,omitempty"` // MIME type
}

// File is a named blob.
type File struct {
	Name   string `json:"name"`
	Digest Digest `json:"digest"`
	Size   int64  `json:"size"` // bytes
	MD5    string `json:"md5,omitempty"`
}

// AlertRaised is something a run's script or a rule wants a person to see.
type AlertRaised struct {
	Run   RunID  `json:"run"`
	Level string `json:"level"` // "info", "warn", "error"
	Title string `json:"title"`
	Text  string `json:"text,omitempty"`
	// Key, where there is one, makes alerts of a run the same: the first counts. A resumed run repeats its steps.
	Key string `json:"key,omitempty"`
	// Depth is that of RunRequested.
	Depth int `json:"depth,omitempty"`
}

func (MetricsLogged) Type() Type  { return "metrics.logged" }
func (MetricDefined) Type() Type  { return "run.metric_defined" }
func (ParamsLogged) Type() Type   { return "run.params_logged" }
func (RowsLogged) Type() Type     { return "run.rows_logged" }
func (LinesLogged) Type() Type    { return "run.lines_logged" }
func (TextLogged) Type() Type     { return "run.text_logged" }
func (ArtifactLogged) Type() Type { return "run.artifact_logged" }
func (AlertRaised) Type() Type    { return "run.alert_raised" }

// Subject names the publisher, not a run: one message holds frames of many runs.
func (e MetricsLogged) Subject() string  { return Prefix + "metrics." + string(e.Gateway) + ".logged" }
func (e MetricDefined) Subject() string  { return runSubject(e.Run, "metric_defined") }
func (e ParamsLogged) Subject() string   { return runSubject(e.Run, "params_logged") }
func (e RowsLogged) Subject() string     { return runSubject(e.Run, "rows_logged") }
func (e LinesLogged) Subject() string    { return runSubject(e.Run, "lines_logged") }
func (e TextLogged) Subject() string     { return runSubject(e.Run, "text_logged") }
func (e ArtifactLogged) Subject() string { return runSubject(e.Run, "artifact_logged") }
func (e AlertRaised) Subject() string    { return runSubject(e.Run, "alert_raised") }

func (MetricsLogged) sealed()  {}
func (MetricDefined) sealed()  {}
func (ParamsLogged) sealed()   {}
func (RowsLogged) sealed()     {}
func (LinesLogged) sealed()    {}
func (TextLogged) sealed()     {}
func (ArtifactLogged) sealed() {}
func (AlertRaised) sealed()    {}
