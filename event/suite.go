package event

// SuiteSaved says that a suite is in storage: its definition, with every task written out, and the data that its tasks read. A name and a
// version mean one content for ever; the newest version of a name is what the name alone means.
type SuiteSaved struct {
	Name    string `json:"name"`
	Version int    `json:"version"`
	Digest  Digest `json:"digest"` // of the definition's JSON in storage
	Tasks   int    `json:"tasks"`
	// Data are the files that tasks read, by task: the role is "data" or "few_shot".
	Data []TaskData `json:"data,omitempty"`
	By   string     `json:"by,omitempty"`
}

// TaskData is one file that a task of a suite reads.
type TaskData struct {
	Task   string `json:"task"`
	Role   string `json:"role"` // "data", "few_shot"
	Digest Digest `json:"digest"`
	Bytes  int64  `json:"bytes"`
	// From is where it came from, for people: a file's name, an address without its user and query.
	From string `json:"from,omitempty"`
}

// SuitePin is a suite as its name was understood when somebody asked for it.
type SuitePin struct {
	Name    string `json:"name"`
	Version int    `json:"version"`
	Digest  Digest `json:"digest"`
}

// EvaluationPolicy says which checkpoints of a run are judged, and on what. The zero value judges each on the run's suites.
type EvaluationPolicy struct {
	// Every judges only the checkpoints whose number is a multiple of it, and the run's last one; 0 is 1.
	Every int64 `json:"every,omitempty"`
	// Pending is PendingAll ("" too) or PendingNewest.
	Pending string `json:"pending,omitempty"`
	// Stages replace the run's suites from their step on, in rising order of steps.
	Stages []EvaluationStage `json:"stages,omitempty"`
}

// What becomes of an evaluation that nobody has begun when the run saves another checkpoint that is judged on the same suite.
const (
	PendingAll    = "all"    // it is done all the same
	PendingNewest = "newest" // it ends: of a run and a suite at most one waits
)

// EvaluationStage is on what checkpoints are judged from a step on. No suites: on nothing.
type EvaluationStage struct {
	FromStep int64    `json:"from_step"`
	Suites   []string `json:"suites"`
}

// Superseded is the code of the failure with which an evaluation ends that gave way to one of a newer checkpoint.
const Superseded = "superseded"

// TaskFailure says why a task of a suite has no scores while others have.
type TaskFailure struct {
	Task    string `json:"task"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Due are the names of the suites that the checkpoint is to be judged on, as its run's policy says.
func (c CheckpointSaved) Due() []string {
	p := c.Evaluation
	if p == nil {
		return c.Suites
	}
	if p.Every > 1 && c.Number > 0 && c.Number%p.Every != 0 && !c.Last {
		return nil
	}
	due := c.Suites
	for _, s := range p.Stages {
		if c.Step >= s.FromStep {
			due = s.Suites
		}
	}
	return due
}

// Pin is the suite that a name meant when the checkpoint's run was asked for; false when nobody noted it.
func (c CheckpointSaved) Pin(suite string) (SuitePin, bool) {
	for _, p := range c.Pins {
		if p.Name == suite {
			return p, true
		}
	}
	return SuitePin{}, false
}

// Named are all suites that the policy's stages name.
func (p *EvaluationPolicy) Named() (names []string) {
	if p != nil {
		for _, s := range p.Stages {
			names = append(names, s.Suites...)
		}
	}
	return names
}

func (SuiteSaved) Type() Type { return "suite.saved" }

// Subject ends in the name, so that the last on it is the newest that was saved of that name.
func (e SuiteSaved) Subject() string { return Prefix + "suite." + e.Name + ".saved" }

func (SuiteSaved) sealed() {}
