package client

import (
	"encoding/json"
	"time"

	"millrace/event"
)

// Run is what lists and progress bars need of a run.
type Run struct {
	ID           string          `json:"id"`
	Name         string          `json:"name"`
	Kind         string          `json:"kind"`
	Status       string          `json:"status"`
	Config       json.RawMessage `json:"config,omitempty"`
	SpecDigest   string          `json:"specDigest"`
	Experiment   *Named          `json:"experiment"`
	Tags         []Tag           `json:"tags"`
	Worker       string          `json:"worker"`
	Attempts     int             `json:"attempts"`
	Progress     *Progress       `json:"progress"`
	Failure      *Failure        `json:"failure"`
	CreatedAt    time.Time       `json:"createdAt"`
	StartedAt    *time.Time      `json:"startedAt"`
	EndedAt      *time.Time      `json:"endedAt"`
	Seconds      event.Number    `json:"seconds"`
	Outputs      []Artifact      `json:"outputs"`
	Metrics      []Metric        `json:"metrics"`
	Cost         Cost            `json:"cost"`
	Reproduction *Reproduction   `json:"reproduction"`
	Seq          int64           `json:"seq"`
}

// Ended tells whether nothing more is expected of the run unless it is resumed.
func (r Run) Ended() bool {
	switch r.Status {
	case "FINISHED", "FAILED", "STOPPED", "CRASHED", "PAUSED":
		return true
	}
	return false
}

// Last is the newest value of a metric.
func (r Run) Last(key string) (float64, bool) {
	for _, m := range r.Metrics {
		if m.Key == key {
			return float64(m.Last), true
		}
	}
	return 0, false
}

// Output is the digest of what the run made in a role, "" when there is none.
func (r Run) Output(role string) string {
	for _, o := range r.Outputs {
		if o.Role == role {
			return o.Digest
		}
	}
	return ""
}

// The parts of a Run; their fields are the schema's.
type (
	Named    struct{ ID, Name string }
	Tag      struct{ Key, Value string }
	Progress struct {
		Phase       string        `json:"phase"`
		Done        int64         `json:"done"`
		Total       int64         `json:"total"`
		Unit        string        `json:"unit"`
		SecondsLeft *event.Number `json:"secondsLeft"`
	}
	Failure  struct{ Code, Message, Hint string }
	Artifact struct{ Role, Digest, Name string }
	Metric   struct {
		Key      string       `json:"key"`
		Last     event.Number `json:"last"`
		LastStep int64        `json:"lastStep"`
		Min      event.Number `json:"min"`
		Max      event.Number `json:"max"`
		Points   int64        `json:"points"`
	}
	Cost struct {
		Dollars       event.Number  `json:"dollars"`
		DeviceSeconds event.Number  `json:"deviceSeconds"`
		Joules        *event.Number `json:"joules"`
		FLOPs         event.Number  `json:"flops"`
		Tokens        int64         `json:"tokens"`
		Unpriced      []string      `json:"unpriced"`
		// What follows is told by Ledger alone.
		DeviceDollars  event.Number `json:"deviceDollars,omitempty"`
		EnergyDollars  event.Number `json:"energyDollars,omitempty"`
		StorageDollars event.Number `json:"storageDollars,omitempty"`
		// StoredBytes are kept now; StorageDollarsPerMonth is what another 30 days of that cost.
		StoredBytes            event.Number  `json:"storedBytes,omitempty"`
		StorageDollarsPerMonth event.Number  `json:"storageDollarsPerMonth,omitempty"`
		Devices                []DeviceSpent `json:"devices,omitempty"`
	}
	DeviceSpent struct {
		Kind    string        `json:"kind"`
		Name    string        `json:"name"`
		Count   int           `json:"count"`
		Seconds event.Number  `json:"seconds"`
		Joules  *event.Number `json:"joules"`
	}
	Reproduction struct {
		OfID            string      `json:"ofId"`
		Verdict         string      `json:"verdict"`
		Points          int64       `json:"points"`
		Digests         int64       `json:"digests"`
		FirstDifference *Difference `json:"firstDifference"`
		Environment     []string    `json:"environment"`
	}
	Difference struct {
		Step         int64
		Key, Was, Is string
	}
)

// runFields selects a Run.
const runFields = `
	id name kind status config specDigest experiment { id name } tags { key value } worker attempts
	progress { phase done total unit secondsLeft }
	failure { code message hint }
	createdAt startedAt endedAt seconds seq
	outputs { role digest name }
	metrics { key last lastStep min max points }
	cost { dollars deviceSeconds joules flops tokens unpriced }
	reproduction { ofId verdict points digests firstDifference { step key was is } environment }
`

// Dataset is a dataset.
type Dataset struct {
	ID           string    `json:"id"`
	Name         string    `json:"name"`
	RecipeDigest string    `json:"recipeDigest"`
	Tokenizer    string    `json:"tokenizer"`
	VocabSize    int       `json:"vocabSize"`
	Splits       []Split   `json:"splits"`
	Dropped      []Dropped `json:"dropped"`
	Bytes        int64     `json:"bytes"`
	CreatedAt    time.Time `json:"createdAt"`
}

// The parts of a Dataset.
type (
	Split struct {
		Name                     string
		Tokens, Documents, Bytes int64
		Shards                   int
	}
	Dropped struct {
		Reason           string
		Documents, Bytes int64
	}
)

const datasetFields = `id name recipeDigest tokenizer vocabSize splits { name tokens documents bytes shards } dropped { reason documents bytes } bytes createdAt`

// Checkpoint is a checkpoint with what its evaluations say.
type Checkpoint struct {
	Step        int64        `json:"step"`
	Digest      string       `json:"digest"`
	Tokens      int64        `json:"tokens"`
	Last        bool         `json:"last"`
	SavedAt     time.Time    `json:"savedAt"`
	Size        int64        `json:"size"`
	Evaluations []Evaluation `json:"evaluations"`
}

// The parts of a Checkpoint.
type (
	Evaluation struct {
		Suite         string       `json:"suite"`
		Scores        []Score      `json:"scores"`
		Samples       []Sample     `json:"samples"`
		Failed        []Failed     `json:"failed"`
		SecondsWaited event.Number `json:"secondsWaited"`
		Seconds       event.Number `json:"seconds"`
	}
	Score struct {
		Task   string        `json:"task"`
		Metric string        `json:"metric"`
		Value  event.Number  `json:"value"`
		Stderr *event.Number `json:"stderr"`
		N      int64         `json:"n"`
	}
	Sample struct{ Task, Prompt, Text string }
	// Failed is a task without scores, and why.
	Failed struct {
		Task    string `json:"task"`
		Code    string `json:"code"`
		Message string `json:"message"`
	}
)

const evaluationFields = `evaluations { suite scores { task metric value stderr n } samples { task prompt text } failed { task code message } secondsWaited seconds }`

const checkpointFields = `step digest tokens last savedAt size ` + evaluationFields

// Comparison is what differs between runs; values are in the order of Runs.
type Comparison struct {
	Runs   []Run `json:"runs"`
	Config []struct {
		Path   string            `json:"path"`
		Values []json.RawMessage `json:"values"`
	} `json:"config"`
	Environment []FieldDifference `json:"environment"`
	Inputs      []FieldDifference `json:"inputs"`
	Metrics     []struct {
		Key  string          `json:"key"`
		Last []*event.Number `json:"last"`
		Min  []*event.Number `json:"min"`
		Max  []*event.Number `json:"max"`
	} `json:"metrics"`
	Scores []struct {
		Suite  string          `json:"suite"`
		Task   string          `json:"task"`
		Metric string          `json:"metric"`
		Higher bool            `json:"higherIsBetter"`
		Values []*event.Number `json:"values"`
		Stderr []*event.Number `json:"stderr"`
	} `json:"scores"`
}

// FieldDifference is one field that differs.
type FieldDifference struct {
	Field  string    `json:"field"`
	Values []*string `json:"values"`
}

// Series is one metric's points as parallel arrays.
type Series struct {
	Run    string         `json:"run"`
	Key    string         `json:"key"`
	Writer string         `json:"writer"`
	Steps  []int64        `json:"steps"`
	Values []event.Number `json:"values"`
	Times  []event.Number `json:"times"`
	Points int64          `json:"points"`
}

const seriesFields = `run key writer steps values times points`

// LoggedEvent is a fact of the log.
type LoggedEvent struct {
	Seq     int64           `json:"seq"`
	ID      string          `json:"id"`
	Type    string          `json:"type"`
	Source  string          `json:"source"`
	Subject string          `json:"subject"`
	Time    time.Time       `json:"time"`
	Body    json.RawMessage `json:"body"`
}
