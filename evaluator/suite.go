package evaluator

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strings"

	"millrace/event"
)

// SuiteFormat is the version of the suites' form.
const SuiteFormat = "millrace.suite/1"

// Suite is a versioned set of tasks. Changing anything a score depends on asks for a new Version; the digest tells anyway.
type Suite struct {
	Format  string `json:"format"`
	Name    string `json:"name"`
	Version int    `json:"version"`
	Tasks   []Task `json:"tasks"`
}

// The kinds of tasks.
const (
	// Perplexity scores the held-out text: see Evaluator.Score for the metrics.
	Perplexity = "perplexity"
	// Generate continues prompts.
	Generate = "generate"
)

// Task is one thing to ask. Which fields matter depends on Kind; the others must be absent.
type Task struct {
	Name string `json:"name"`
	Kind string `json:"kind"`

	// Stride is how many new tokens each window after the first scores (Perplexity). 0 is the model's context: windows are
	// disjoint, the cheapest way. Less gives tokens more context and costs context/stride times as much.
	Stride int `json:"stride,omitempty"`
	// PerDocument scores each document by itself, so that no token sees the document before (Perplexity). Otherwise the
	// held-out text is one stream, as in training.
	PerDocument bool `json:"per_document,omitempty"`

	// Prompts are continued (Generate). Each stands at the beginning of a document; an empty one asks for a whole text.
	Prompts     []string `json:"prompts,omitempty"`
	Temperature float64  `json:"temperature,omitempty"` // 0 is greedy
	TopK        int      `json:"top_k,omitempty"`       // 0 is all
	Seed        uint32   `json:"seed,omitempty"`        // of the first prompt; the i-th has Seed+i

	// MaxTokens bounds the held-out tokens that are scored, from the beginning; 0 is all (Perplexity). It is how many
	// tokens are generated a prompt (Generate).
	MaxTokens int64 `json:"max_tokens,omitempty"`
}

// ErrSuite is wrapped by every error that says a suite is wrong.
var ErrSuite = errors.New("suite")

// Bounds of a suite.
const (
	maxSuiteBytes = 1 << 20
	maxTasks      = 1000
	maxPrompts    = 1000
	maxGenerated  = 1 << 16
)

//go:embed tasks/*.json
var tasks embed.FS

// Suites are the suites that come with the program, by name.
func Suites() ([]Suite, error) {
	names, err := fs.Glob(tasks, "tasks/*.json")
	if err != nil {
		return nil, err
	}
	var all []Suite
	for _, name := range names {
		data, err := tasks.ReadFile(name)
		if err != nil {
			return nil, err
		}
		s, err := ParseSuite(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b Suite) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// ParseSuite reads a suite. An unknown key is an error that names it.
func ParseSuite(data []byte) (Suite, error) {
	var s Suite
	if len(data) > maxSuiteBytes {
		return s, fmt.Errorf("%w of %d bytes: the limit is %d", ErrSuite, len(data), maxSuiteBytes)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return Suite{}, fmt.Errorf("%w: %w", ErrSuite, err)
	}
	if d.More() {
		return Suite{}, fmt.Errorf("%w: more than one JSON value", ErrSuite)
	}
	if err := s.Check(); err != nil {
		return Suite{}, err
	}
	return s, nil
}

// Check tells what is wrong with a suite by itself.
func (s Suite) Check() error {
	switch {
	case s.Format != SuiteFormat:
		return fmt.Errorf("%w: format %.40q: this version reads %q", ErrSuite, s.Format, SuiteFormat)
	case s.Name == "" || len(s.Name) > 100:
		return fmt.Errorf("%w: name has %d bytes: want 1 to 100", ErrSuite, len(s.Name))
	case s.Version < 1:
		return fmt.Errorf("%w %s: version %d: versions begin at 1", ErrSuite, s.Name, s.Version)
	case len(s.Tasks) == 0 || len(s.Tasks) > maxTasks:
		return fmt.Errorf("%w %s: %d tasks: want 1 to %d", ErrSuite, s.Name, len(s.Tasks), maxTasks)
	}
	names := map[string]bool{}
	for i, t := range s.Tasks {
		if t.Name == "" || len(t.Name) > 100 || names[t.Name] {
			return fmt.Errorf("%w %s: tasks[%d]: name %.100q is empty, too long or taken", ErrSuite, s.Name, i, t.Name)
		}
		names[t.Name] = true
		if err := t.check(); err != nil {
			return fmt.Errorf("%w %s: task %s: %w", ErrSuite, s.Name, t.Name, err)
		}
	}
	return nil
}

func (t Task) check() error {
	switch t.Kind {
	case Perplexity:
		if len(t.Prompts) > 0 || t.Temperature != 0 || t.TopK != 0 || t.Seed != 0 {
			return errors.New("prompts, temperature, top_k and seed are for generate")
		}
		if t.Stride < 0 || t.MaxTokens < 0 {
			return fmt.Errorf("stride %d and max_tokens %d must not be negative", t.Stride, t.MaxTokens)
		}
	case Generate:
		if t.Stride != 0 || t.PerDocument {
			return errors.New("stride and per_document are for perplexity")
		}
		if len(t.Prompts) == 0 || len(t.Prompts) > maxPrompts {
			return fmt.Errorf("%d prompts: want 1 to %d", len(t.Prompts), maxPrompts)
		}
		if t.MaxTokens < 1 || t.MaxTokens > maxGenerated {
			return fmt.Errorf("max_tokens %d: want 1 to %d", t.MaxTokens, maxGenerated)
		}
		if !(t.Temperature >= 0) || math.IsInf(t.Temperature, 0) || t.TopK < 0 {
			return fmt.Errorf("temperature %v and top_k %d must not be negative", t.Temperature, t.TopK)
		}
	default:
		return fmt.Errorf("kind %.40q: want %s or %s", t.Kind, Perplexity, Generate)
	}
	return nil
}

// JSON is the suite's canonical form.
func (s Suite) JSON() []byte {
	raw, err := json.Marshal(s)
	if err != nil {
		panic(err) // Check leaves nothing JSON cannot say
	}
	data, err := event.CanonicalJSON(raw)
	if err != nil {
		panic(err)
	}
	return data
}

// Digest names exactly what is asked: the sha256 of JSON.
func (s Suite) Digest() event.Digest { return event.DigestOf(s.JSON()) }
