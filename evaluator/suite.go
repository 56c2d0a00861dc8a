package evaluator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"millrace/event"
)

// The versions of the suites' form. The first has its tasks inline, and only what tasks could ask then; its digests stay as they are, so
// that old evaluations are reproduced. In the second a task is inline or is named as "name@version".
const (
	SuiteFormat1 = "millrace.suite/1"
	SuiteFormat  = "millrace.suite/2"
)

// Suite is a named, versioned list of tasks. Changing anything a score depends on asks for a new Version; the digest tells anyway.
type Suite struct {
	Format  string `json:"format"`
	Name    string `json:"name"`
	Version int    `json:"version"`
	Tasks   []Task `json:"tasks"` // all of them inline, wherever they came from
}

// ErrSuite is wrapped by every error that says a suite or a task is wrong.
var ErrSuite = errors.New("suite")

// Bounds of a suite.
const (
	maxSuiteBytes = 1 << 20
	maxTasks      = 1000
	maxName       = 100
)

// TaskNamed finds a task by its name and version. It returns ErrNoTask when there is none.
type TaskNamed func(name string, version int) (Task, error)

// ErrNoTask is what a TaskNamed returns when there is no such task.
var ErrNoTask = errors.New("no such task")

// ParseSuite reads a suite of either format; tasks that it names are those that come with the program. An unknown key is an error
// that names it.
func ParseSuite(data []byte) (Suite, error) { return ParseSuiteWith(data, BuiltIn) }

// ParseSuiteWith is ParseSuite with tasks from elsewhere.
func ParseSuiteWith(data []byte, named TaskNamed) (Suite, error) {
	var raw struct {
		Format  string            `json:"format"`
		Name    string            `json:"name"`
		Version int               `json:"version"`
		Tasks   []json.RawMessage `json:"tasks"`
	}
	if err := strict(data, &raw); err != nil {
		return Suite{}, err
	}
	s := Suite{Format: raw.Format, Name: raw.Name, Version: raw.Version}
	if len(raw.Tasks) > maxTasks {
		return Suite{}, fmt.Errorf("%w %.100s: %d tasks: want 1 to %d", ErrSuite, s.Name, len(raw.Tasks), maxTasks)
	}
	for i, r := range raw.Tasks {
		var t Task
		var ref string
		if raw.Format != SuiteFormat1 && json.Unmarshal(r, &ref) == nil {
			var err error
			if t, err = reference(ref, named); err != nil {
				return Suite{}, fmt.Errorf("%w %.100s: tasks[%d]: %w", ErrSuite, s.Name, i, err)
			}
		} else if err := strict(r, &t); err != nil {
			return Suite{}, fmt.Errorf("%w %.100s: tasks[%d]: %w", ErrSuite, s.Name, i, err)
		}
		t.Format = ""
		s.Tasks = append(s.Tasks, t)
	}
	if err := s.Check(); err != nil {
		return Suite{}, err
	}
	return s, nil
}

// reference finds a task that is written as "name@version".
func reference(ref string, named TaskNamed) (Task, error) {
	name, v, ok := strings.Cut(ref, "@")
	version, err := strconv.Atoi(v)
	if !ok || err != nil || version < 1 {
		return Task{}, fmt.Errorf("%.100q names no task: write name@version, such as hellaswag@1", ref)
	}
	t, err := named(name, version)
	if err != nil {
		return Task{}, fmt.Errorf("task %.100q: %w", ref, err)
	}
	return t, nil
}

// strict reads one bounded JSON value without unknown keys.
func strict(data []byte, into any) error {
	if len(data) > maxSuiteBytes {
		return fmt.Errorf("%w of %d bytes: the limit is %d", ErrSuite, len(data), maxSuiteBytes)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("%w: %w", ErrSuite, err)
	}
	if d.More() {
		return fmt.Errorf("%w: more than one JSON value", ErrSuite)
	}
	return nil
}

// Check tells what is wrong with a suite by itself. A template that is broken and a source that is nowhere are found out when the task
// is asked, and fail that task alone: see Suite.Warnings.
func (s Suite) Check() error {
	switch {
	case s.Format != SuiteFormat1 && s.Format != SuiteFormat:
		return fmt.Errorf("%w: format %.40q: this version reads %q and %q", ErrSuite, s.Format, SuiteFormat1, SuiteFormat)
	case s.Name == "" || len(s.Name) > maxName:
		return fmt.Errorf("%w: name has %d bytes: want 1 to %d", ErrSuite, len(s.Name), maxName)
	case s.Version < 1:
		return fmt.Errorf("%w %s: version %d: versions begin at 1", ErrSuite, s.Name, s.Version)
	case len(s.Tasks) == 0 || len(s.Tasks) > maxTasks:
		return fmt.Errorf("%w %s: %d tasks: want 1 to %d", ErrSuite, s.Name, len(s.Tasks), maxTasks)
	}
	names := map[string]bool{}
	for i, t := range s.Tasks {
		if t.Name == "" || len(t.Name) > maxName || names[t.Name] {
			return fmt.Errorf("%w %s: tasks[%d]: name %.100q is empty, too long or taken", ErrSuite, s.Name, i, t.Name)
		}
		names[t.Name] = true
		if err := t.check(); err != nil {
			return fmt.Errorf("%w %s: task %s: %w", ErrSuite, s.Name, t.Name, err)
		}
		if s.Format == SuiteFormat1 && !t.first() {
			return fmt.Errorf("%w %s: task %s: only %q can ask this; write that as the suite's format", ErrSuite, s.Name, t.Name, SuiteFormat)
		}
	}
	return nil
}

// Warnings are the tasks of a suite that will fail, as far as that can be known before their data is read.
func (s Suite) Warnings() []Failure {
	var all []Failure
	for _, t := range s.Tasks {
		all = append(all, t.Warnings()...)
	}
	return all
}

// JSON is the suite's canonical form, with every task inline: the whole of what is asked.
func (s Suite) JSON() []byte { return canonical(s) }

// Digest names exactly what is asked: the sha256 of JSON.
func (s Suite) Digest() event.Digest { return event.DigestOf(s.JSON()) }

func canonical(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err) // Check leaves nothing JSON cannot say
	}
	data, err := event.CanonicalJSON(raw)
	if err != nil {
		panic(err)
	}
	return data
}
