package external

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"millrace/event"
)

// Command is what a run's spec says of the program to start.
type Command struct {
	// Args are the program and its arguments. A program without a slash is looked for in the worker's PATH. In every argument, and in values of
	// Env, ${MILLRACE_RUN} and the other names that the command finds in its environment are replaced.
	Args []string `json:"args"`
	// Env is set besides the worker's own environment. It is recorded: secrets belong into the worker's environment.
	Env map[string]string `json:"env,omitempty"`
	// Dir is the working directory on the worker's machine, absolute; "" is a folder of the run's own, into which inputs of role "file" are put.
	Dir string `json:"dir,omitempty"`
	// Metrics is "door", when the command logs over HTTP or not at all, or "stdout", when it also prints points: a line that is a JSON object
	// with a whole number "step" is no console line but points of that step.
	Metrics     string      `json:"metrics"`
	Checkpoints Checkpoints `json:"checkpoints"`
	// Signal asks the command to stop: "SIGTERM", "SIGINT", "SIGUSR1" or "SIGUSR2". After GraceSeconds all its processes are killed.
	Signal       string  `json:"signal"`
	GraceSeconds float64 `json:"grace_seconds"`
	// Retries is how often a command that failed is started again from its newest checkpoint. A checkpoint in between makes it count anew.
	Retries int `json:"retries"`
}

// Checkpoints says where the command leaves its checkpoints and how a complete one is known.
type Checkpoints struct {
	// In is the folder under which each run gets its own, absolute, or an S3 prefix, s3://bucket/prefix, that the worker's keys may read; "" is
	// below the worker's data directory. The command finds its own in MILLRACE_CHECKPOINTS.
	In string `json:"in,omitempty"`
	// Pattern is a regular expression of the names of checkpoints; its one group is the step.
	Pattern string `json:"pattern"`
	// Marker is a file that is there once a checkpoint is complete. "": a checkpoint is complete when it has its name, so it is written under
	// another and renamed. S3 knows no renaming: there a marker is needed. The marker itself is not stored.
	Marker string `json:"marker,omitempty"`
	// Files are patterns of path.Match of what is stored of a checkpoint, by path within it; none: everything.
	Files []string `json:"files,omitempty"`
	// Keep is how many stored checkpoints stay in the folder; older ones are removed. 0: all.
	Keep int `json:"keep,omitempty"`
}

// Bounds of a command.
const (
	maxArgs    = 1000
	maxText    = 32 << 10 // bytes of an argument or a variable
	maxGrace   = 24 * 60 * 60
	maxRetries = 1000
)

// signals are the names that may ask a command to stop.
var signals = []string{"SIGTERM", "SIGINT", "SIGUSR1", "SIGUSR2"}

// variable names what may be set in an environment.
var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// Parse reads a command, writes out its defaults and checks it. The first mistake is named by its key.
func Parse(raw []byte) (Command, error) {
	c := Command{
		Metrics: "door", Signal: signals[0], GraceSeconds: 30, Retries: 3,
		Checkpoints: Checkpoints{Pattern: `^step-(\d+)$`},
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
			err = fmt.Errorf("unknown key %s", name)
		}
		return c, fmt.Errorf("command: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return c, errors.New("command: there is more after the object")
	}
	return c, c.check()
}

func (c Command) check() error {
	if len(c.Args) == 0 || c.Args[0] == "" {
		return errors.New(`command.args: empty; name a program, e.g. ["torchrun", "train.py"]`)
	}
	if len(c.Args) > maxArgs || len(c.Env) > maxArgs {
		return fmt.Errorf("command.args: %d arguments and %d variables, at most %d each", len(c.Args), len(c.Env), maxArgs)
	}
	for i, a := range c.Args {
		if len(a) > maxText || strings.ContainsRune(a, 0) {
			return fmt.Errorf("command.args[%d]: an argument has at most %d bytes and no zero byte", i, maxText)
		}
	}
	for k, v := range c.Env {
		switch {
		case !variable.MatchString(k):
			return fmt.Errorf("command.env: %.80q cannot name a variable", k)
		case strings.HasPrefix(k, "MILLRACE_"):
			return fmt.Errorf("command.env.%s: names that begin with MILLRACE_ are the platform's", k)
		case len(v) > maxText || strings.ContainsRune(v, 0):
			return fmt.Errorf("command.env.%s: a value has at most %d bytes and no zero byte", k, maxText)
		}
	}
	switch {
	case c.Dir != "" && !filepath.IsAbs(c.Dir):
		return fmt.Errorf("command.dir: %.80q is not an absolute path on the worker's machine", c.Dir)
	case c.Metrics != "door" && c.Metrics != "stdout":
		return fmt.Errorf(`command.metrics: %.40q is not known; use "door" or "stdout"`, c.Metrics)
	case !slices.Contains(signals, c.Signal):
		return fmt.Errorf("command.signal: %.40q is not known; use one of %s", c.Signal, strings.Join(signals, ", "))
	case !(c.GraceSeconds >= 0 && c.GraceSeconds <= maxGrace):
		return fmt.Errorf("command.grace_seconds: %g is not between 0 and %d", c.GraceSeconds, maxGrace)
	case c.Retries < 0 || c.Retries > maxRetries:
		return fmt.Errorf("command.retries: %d is not between 0 and %d", c.Retries, maxRetries)
	}
	return c.Checkpoints.check()
}

func (c Checkpoints) check() error {
	re, err := regexp.Compile(c.Pattern)
	if err != nil || re.NumSubexp() != 1 || len(c.Pattern) > 200 {
		return fmt.Errorf(`command.checkpoints.pattern: %.80q is not a regular expression with one group, as ^step-(\d+)$`, c.Pattern)
	}
	if bucket, _, remote := c.remote(); remote {
		switch {
		case bucket == "":
			return fmt.Errorf("command.checkpoints.in: %.80q names no bucket; write s3://bucket/prefix", c.In)
		case c.Marker == "":
			return errors.New("command.checkpoints.marker: empty; objects appear one by one: name the file that is written last")
		case c.Keep != 0:
			return errors.New("command.checkpoints.keep: only of a folder; give the bucket a lifecycle rule")
		}
	} else if c.In != "" && !filepath.IsAbs(c.In) {
		return fmt.Errorf("command.checkpoints.in: %.80q is neither an absolute path nor s3://bucket/prefix", c.In)
	}
	if c.Marker != "" && !filepath.IsLocal(c.Marker) {
		return fmt.Errorf("command.checkpoints.marker: %.80q is not a file within the checkpoint", c.Marker)
	}
	for i, f := range c.Files {
		if _, err := path.Match(f, "x"); err != nil || f == "" || len(c.Files) > 100 {
			return fmt.Errorf("command.checkpoints.files[%d]: %.80q is not a pattern such as *.safetensors; at most 100 of them", i, f)
		}
	}
	if c.Keep < 0 {
		return fmt.Errorf("command.checkpoints.keep: %d is negative", c.Keep)
	}
	return nil
}

// remote splits an S3 prefix; the prefix that it returns ends in a slash, or is empty.
func (c Checkpoints) remote() (bucket, prefix string, ok bool) {
	rest, ok := strings.CutPrefix(c.In, "s3://")
	if !ok {
		return "", "", false
	}
	bucket, prefix, _ = strings.Cut(rest, "/")
	if prefix = strings.Trim(prefix, "/"); prefix != "" {
		prefix += "/"
	}
	return bucket, prefix, true
}

func (c Command) grace() time.Duration { return time.Duration(c.GraceSeconds * float64(time.Second)) }

// Resolve checks a run's command and writes out its defaults. A spec without one is a script that runs by itself: it is left alone.
func Resolve(_ context.Context, spec event.Spec) (event.Spec, error) {
	if len(spec.Command) == 0 {
		return spec, nil
	}
	c, err := Parse(spec.Command)
	if err != nil {
		return spec, err
	}
	raw, err := json.Marshal(c)
	if err != nil {
		return spec, err
	}
	if spec.Command, err = event.CanonicalJSON(raw); err != nil {
		return spec, err
	}
	if len(spec.Config) == 0 || string(spec.Config) == "null" {
		spec.Config = json.RawMessage("{}")
	}
	if canon, err := event.CanonicalJSON(spec.Config); err != nil || canon[0] != '{' {
		return spec, fmt.Errorf("config: the hyper-parameters are an object; got %.40s", spec.Config)
	}
	for _, in := range spec.Inputs {
		switch in.Role {
		case "dataset", "checkpoint":
		case "file":
			if !filepath.IsLocal(filepath.FromSlash(in.Name)) || strings.Contains(in.Name, `\`) {
				return spec, fmt.Errorf("inputs: the name of a file is its path in the run's folder; got %.80q", in.Name)
			}
		default:
			return spec, fmt.Errorf(`inputs: role %.40q is not laid out for a command; use "dataset", "checkpoint" or "file"`, in.Role)
		}
	}
	return spec, nil
}
