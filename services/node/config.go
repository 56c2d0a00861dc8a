package node

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"millrace/services/evaluation"
	"millrace/trainer/engine"
)

// Role is a part of the platform that a process plays.
type Role string

// The roles. Tracker folds the log and serves GraphQL and the page; Serving lets people talk to checkpoints, behind the tracker's door;
// the others work jobs.
const (
	Tracker    Role = "tracker"
	Curation   Role = "curation"
	Training   Role = "training"
	Evaluation Role = "evaluation"
	Serving    Role = "serving"
	// External starts other people's programs: it is played where Config.External allows it, and nowhere else.
	External Role = "external"
)

// Roles is all of them that are played unless told otherwise, in the order in which they start.
func Roles() []Role { return []Role{Tracker, Curation, Training, Evaluation, Serving} }

// Config is one process. A YAML file has the same keys; an unknown one is an error.
type Config struct {
	// Data is the directory of everything embedded. It is created.
	Data string `yaml:"data"`
	// Roles to play; none means all.
	Roles []Role `yaml:"roles"`
	// Addr is where the tracker serves, DefaultAddr unless told otherwise; a process without that role serves its health and
	// metrics there, when it is given. Port 0 picks one.
	Addr string `yaml:"addr"`
	// Token guards the door when it is open beyond loopback.
	Token string `yaml:"token"`
	// Hosts are further names under which the door may be called.
	Hosts   []string `yaml:"hosts"`
	GraphQL GraphQL  `yaml:"graphql"`
	NATS    NATS     `yaml:"nats"`
	S3      S3       `yaml:"s3"`
	Keep    Keep     `yaml:"keep"`
	Serve   Serve    `yaml:"serve"`
	Rules   Rules    `yaml:"rules"`
	// Code allows evaluations to run what a model wrote.
	Code evaluation.Code `yaml:"code"`
	// External allows runs of commands here.
	External Commands `yaml:"external"`
	// Engine is "auto", "cpu" or "cpu-reference"; Threads is for training, 0: all cores.
	Engine  string `yaml:"engine"`
	Threads int    `yaml:"threads"`
	// Worker names this process in the record; the host's name when empty.
	Worker string `yaml:"worker"`

	Version string       `yaml:"-"`
	Log     *slog.Logger `yaml:"-"`
	// Ready is called once the node serves, with its address.
	Ready func(url string) `yaml:"-"`
}

// GraphQL says what is answered.
type GraphQL struct {
	// PersistedOnly is a file of operations, {"<sha256>": "query …"} or Apollo's manifest: nothing else is answered. Empty: everything is.
	PersistedOnly string `yaml:"persisted_only"`
	// Timeout is how long one operation may take; 0: 30 s.
	Timeout time.Duration `yaml:"timeout"`
	// NoIntrospection keeps the schema from those who ask for it.
	NoIntrospection bool `yaml:"no_introspection"`
}

// NATS says where the log is.
type NATS struct {
	URL       string `yaml:"url"`    // external; empty: embedded in Data
	Listen    string `yaml:"listen"` // embedded: where other processes may join
	Token     string `yaml:"token"`  // secret; or User and Password, or CredsFile
	User      string `yaml:"user"`
	Password  string `yaml:"password"`
	CredsFile string `yaml:"creds_file"`
	CAFile    string `yaml:"ca_file"`
	Monitor   string `yaml:"monitor"`
	Replicas  int    `yaml:"replicas"`
	Relaxed   bool   `yaml:"relaxed"` // acknowledge before fsync
}

// S3 says where the bytes are.
type S3 struct {
	Endpoint  string `yaml:"endpoint"` // external; empty: embedded in Data
	Listen    string `yaml:"listen"`   // embedded: its address, loopback and any port when empty
	Region    string `yaml:"region"`
	Bucket    string `yaml:"bucket"`
	Prefix    string `yaml:"prefix"`
	AccessKey string `yaml:"access_key"`
	SecretKey string `yaml:"secret_key"`
	CAFile    string `yaml:"ca_file"`
}

// Keep says how the tracker's role keeps log and storage small. Nothing is deleted unless a policy says so: millrace retention.
type Keep struct {
	// SnapshotFacts and SnapshotHours are after how many facts, and hours, a copy of the read model is put into storage; 0 is 1,000,000
	// facts, and never by time; negative is never.
	SnapshotFacts int64   `yaml:"snapshot_facts"`
	SnapshotHours float64 `yaml:"snapshot_hours"`
	// LogDays is how many days the log keeps facts before they move to the archive; 0 is for ever. A policy wins over it.
	LogDays float64 `yaml:"log_days"`
	// PastModels and PastBytes bound how many places of the past are kept ready, and their bytes; 0 is 4, and 4 GiB.
	PastModels int   `yaml:"past_models"`
	PastBytes  int64 `yaml:"past_bytes"`
}

// Serve says how models are held that people talk to.
type Serve struct {
	// Weights is "f32", "bf16" or "q8_0": smaller ones are faster and a little less exact; "" is f32.
	Weights string `yaml:"weights"`
	// MemoryBytes bounds all models that are loaded; 0 is a quarter of the machine's memory.
	MemoryBytes int64 `yaml:"memory_bytes"`
}

// Commands says whether and how this process starts other people's programs. Whoever may start runs can then run any program as its user: its door
// is loopback's or has a token, and so has its log.
type Commands struct {
	// Allow lets this process play the role external.
	Allow bool `yaml:"allow"`
	// Dir is where runs get their folders; "" is external below Data.
	Dir string `yaml:"dir"`
	// URL is the tracker's address, to which commands log; "" is this process's own, when it is the tracker.
	URL string `yaml:"url"`
	// Guard is the program, with its arguments, that calls Guard with what follows them: millrace guard.
	Guard []string `yaml:"guard"`
}

// DefaultAddr is where a node serves unless told otherwise.
const DefaultAddr = "127.0.0.1:7070"

// defaultBucket is where objects are unless told otherwise.
const defaultBucket = "millrace"

// ErrConfig is returned for a configuration that cannot work.
var ErrConfig = errors.New("bad configuration")

// ReadFile reads a YAML configuration over c. Keys that are absent keep c's value.
func (c *Config) ReadFile(path string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("node: configuration: %w", err)
	}
	dec := yaml.NewDecoder(bytes.NewReader(raw))
	dec.KnownFields(true)
	if err := dec.Decode(c); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("node: %s: %w: %w", path, ErrConfig, err)
	}
	return nil
}

// withDefaults fills what was left out and refuses what cannot work.
func (c Config) withDefaults() (Config, error) {
	if c.Data == "" {
		return c, fmt.Errorf("node: no data directory: give --data DIR: %w", ErrConfig)
	}
	abs, err := filepath.Abs(c.Data)
	if err != nil {
		return c, fmt.Errorf("node: data directory: %w", err)
	}
	c.Data = abs
	if len(c.Roles) == 0 {
		c.Roles = Roles()
	}
	for _, r := range c.Roles {
		if r == External && !c.External.Allow {
			return c, fmt.Errorf("node: the role external starts any program that somebody asks for, as this user: allow it with --allow-external (external.allow): %w", ErrConfig)
		}
		if !slices.Contains(append(Roles(), External), r) {
			return c, fmt.Errorf("node: no role %q; there are %v: %w", r, append(Roles(), External), ErrConfig)
		}
	}
	if c.External.Allow && !c.plays(External) {
		c.Roles = append(c.Roles[:len(c.Roles):len(c.Roles)], External)
	}
	if c.External.Allow && c.External.URL == "" && !c.plays(Tracker) {
		return c, fmt.Errorf("node: commands log to the tracker, which is another process: give its address with --url (external.url): %w", ErrConfig)
	}
	if c.External.Dir == "" {
		c.External.Dir = filepath.Join(c.Data, "external")
	}
	if c.plays(Serving) && !c.plays(Tracker) {
		return c, fmt.Errorf("node: the role serving needs the role tracker beside it; elsewhere use millrace serve: %w", ErrConfig)
	}
	if w := c.Serve.Weights; w != "" && !slices.Contains(engine.Forms(), engine.Form(w)) {
		return c, fmt.Errorf("node: serve.weights is %q; there are %v: %w", w, engine.Forms(), ErrConfig)
	}
	if c.Addr == "" && c.plays(Tracker) {
		c.Addr = DefaultAddr
	}
	if c.Engine == "" {
		c.Engine = "auto"
	}
	if c.S3.Bucket == "" {
		c.S3.Bucket = defaultBucket
	}
	if c.S3.Endpoint != "" && (c.S3.AccessKey == "" || c.S3.SecretKey == "") {
		return c, fmt.Errorf("node: S3 endpoint %s needs a key: set MILLRACE_S3_ACCESS_KEY and MILLRACE_S3_SECRET_KEY: %w", c.S3.Endpoint, ErrConfig)
	}
	if c.NATS.URL != "" && c.S3.Endpoint == "" && slices.ContainsFunc(Roles(), func(r Role) bool { return !c.plays(r) }) {
		return c, fmt.Errorf("node: the log is shared with other processes, but the object store would be this process's own: give --s3-endpoint too: %w", ErrConfig)
	}
	if c.Worker == "" {
		c.Worker, _ = os.Hostname()
	}
	if c.Worker = subjectName(c.Worker); c.Worker == "" {
		c.Worker = "worker"
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return c, nil
}

// plays tells whether this process has a role.
func (c Config) plays(r Role) bool { return slices.Contains(c.Roles, r) }

// subjectName keeps of a name what may be part of a subject.
func subjectName(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '-'
	}, s)
	return s[:min(len(s), 40)]
}
