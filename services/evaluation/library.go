package evaluation

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"millrace/evaluator"
	"millrace/event"
	"millrace/services/job"
	"millrace/storage/blob"
)

// Library is the suites that there are: those that come with the program, and those that people saved, which go before them.
type Library struct {
	Blobs *blob.Store
	// Saved finds a version of a suite that somebody saved, the newest with 0; false when there is none. nil: nobody saved any.
	Saved func(ctx context.Context, name string, version int) (event.SuiteSaved, bool, error)
	// All lists what was saved; nil: nothing.
	All func() ([]event.SuiteSaved, error)
}

// Pin says what a name means now: "quick", its newest version, or "quick@2". The suite is in storage then.
func (l Library) Pin(ctx context.Context, what string) (event.SuitePin, error) {
	name, v, at := strings.Cut(what, "@")
	version := 0
	if at {
		var err error
		if version, err = strconv.Atoi(v); err != nil || version < 1 {
			return event.SuitePin{}, fmt.Errorf("evaluation: %.100q names no suite: write its name, or name@version", what)
		}
	}
	if l.Saved != nil {
		s, ok, err := l.Saved(ctx, name, version)
		if err != nil {
			return event.SuitePin{}, fmt.Errorf("evaluation: suite %s: %w", what, err)
		}
		if ok {
			return event.SuitePin{Name: what, Version: s.Version, Digest: s.Digest}, nil
		}
	}
	s, err := l.builtIn(func(s evaluator.Suite) bool { return s.Name == name && (version == 0 || s.Version == version) })
	if errors.Is(err, errNoSuite) {
		return event.SuitePin{}, fmt.Errorf("evaluation: there is no suite %q; there are %v", what, l.names())
	}
	if err != nil {
		return event.SuitePin{}, err
	}
	ref, err := l.Blobs.Put(ctx, s.JSON())
	if err != nil {
		return event.SuitePin{}, fmt.Errorf("evaluation: suite %s: %w", what, err)
	}
	return event.SuitePin{Name: what, Version: s.Version, Digest: event.Digest(ref.Digest)}, nil
}

// PinAll says what names mean now, each once.
func (l Library) PinAll(ctx context.Context, names []string) ([]event.SuitePin, error) {
	var pins []event.SuitePin
	for _, n := range names {
		if slices.ContainsFunc(pins, func(p event.SuitePin) bool { return p.Name == n }) {
			continue
		}
		p, err := l.Pin(ctx, n)
		if err != nil {
			return nil, err
		}
		pins = append(pins, p)
	}
	return pins, nil
}

// Suite is the suite that has a digest.
func (l Library) Suite(ctx context.Context, digest event.Digest) (evaluator.Suite, error) {
	raw, err := l.Blobs.Get(ctx, blob.Digest(digest))
	if errors.Is(err, blob.ErrNotFound) { // asked for by a version that put none there
		s, err := l.builtIn(func(s evaluator.Suite) bool { return s.Digest() == digest })
		if errors.Is(err, errNoSuite) {
			return s, job.Failf("unknown_suite", "save it again: millrace suite add", "evaluation: suite %s is not in storage", digest.Short())
		}
		return s, err
	}
	if err != nil {
		return evaluator.Suite{}, fmt.Errorf("evaluation: suite %s: %w", digest.Short(), err)
	}
	s, err := evaluator.ParseSuite(raw)
	if err != nil {
		return s, job.Fail("unknown_suite", "run the evaluation with the version that saved it", fmt.Errorf("evaluation: suite %s: %w", digest.Short(), err))
	}
	if d := s.Digest(); d != digest {
		return s, job.Failf("other_suite", "run the evaluation with the version that asked for it", "evaluation: suite %s reads as %s here", digest.Short(), d.Short())
	}
	return s, nil
}

var errNoSuite = errors.New("no such suite")

func (l Library) builtIn(is func(evaluator.Suite) bool) (evaluator.Suite, error) {
	suites, err := evaluator.Suites()
	if err != nil {
		return evaluator.Suite{}, err
	}
	if i := slices.IndexFunc(suites, is); i >= 0 {
		return suites[i], nil
	}
	return evaluator.Suite{}, errNoSuite
}

// names are all that Pin knows, for whoever asked for another.
func (l Library) names() []string {
	var names []string
	if suites, err := evaluator.Suites(); err == nil {
		for _, s := range suites {
			names = append(names, s.Name)
		}
	}
	if l.All != nil {
		if saved, err := l.All(); err == nil {
			for _, s := range saved {
				names = append(names, s.Name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Data is a file for a task, as somebody gives it: by digest, when it is in storage, or From a bucket, as s3://bucket/key.
type Data struct {
	Task   string       `json:"task"`
	Role   string       `json:"role"` // "data", "few_shot", "labels"
	Digest event.Digest `json:"digest,omitempty"`
	From   string       `json:"from,omitempty"`
}

// The roles of a task's files.
const (
	RoleData    = "data"
	RoleFewShot = "few_shot"
	RoleLabels  = "labels"
)

// maxData bounds one file of a task, in bytes.
const maxData = 4 << 30

// Prepare makes of a definition (a suite's file, or a task's, which is a suite of one) and files for its tasks a suite that is whole in
// storage, and the fact that says so. Nothing else is stored when it fails.
func (l Library) Prepare(ctx context.Context, definition []byte, data []Data) (event.SuiteSaved, error) {
	s, err := Define(definition)
	if err != nil {
		return event.SuiteSaved{}, err
	}
	if !event.ValidID(s.Name) {
		return event.SuiteSaved{}, fmt.Errorf("evaluation: a suite's name has 1-64 letters, digits, '-' and '_'; this is %.100q", s.Name)
	}
	origin := map[event.Digest]string{}
	for _, d := range data {
		at := slices.IndexFunc(s.Tasks, func(t evaluator.Task) bool { return t.Name == d.Task })
		if at < 0 || s.Tasks[at].Source == nil {
			return event.SuiteSaved{}, fmt.Errorf("evaluation: suite %s has no task %q that reads a file", s.Name, d.Task)
		}
		if d.Digest == "" {
			if d.Digest, err = l.fetch(ctx, d.From); err != nil {
				return event.SuiteSaved{}, fmt.Errorf("evaluation: task %s: %w", d.Task, err)
			}
		}
		origin[d.Digest] = d.From
		source := *s.Tasks[at].Source
		switch d.Role {
		case RoleData, "":
			source.Digest = d.Digest
		case RoleFewShot:
			source.FewShotDigest = d.Digest
		case RoleLabels:
			source.LabelsDigest = d.Digest
		default:
			return event.SuiteSaved{}, fmt.Errorf("evaluation: task %s: role %.40q: want %s, %s or %s", d.Task, d.Role, RoleData, RoleFewShot, RoleLabels)
		}
		s.Tasks[at].Source = &source
	}
	saved := event.SuiteSaved{Name: s.Name, Version: s.Version, Tasks: len(s.Tasks)}
	for _, t := range s.Tasks {
		for _, f := range files(t) {
			info, err := l.Blobs.Refresh(ctx, blob.Digest(f.Digest))
			if errors.Is(err, blob.ErrNotFound) {
				return event.SuiteSaved{}, fmt.Errorf("evaluation: task %s: its %s file %s is not in storage: give it with --data %s=FILE", t.Name, f.Role, f.Digest.Short(), t.Name)
			}
			if err != nil {
				return event.SuiteSaved{}, fmt.Errorf("evaluation: task %s: %w", t.Name, err)
			}
			f.Bytes, f.From = info.Size, origin[f.Digest]
			saved.Data = append(saved.Data, f)
		}
	}
	if err := s.Check(); err != nil {
		return event.SuiteSaved{}, fmt.Errorf("evaluation: %w", err)
	}
	ref, err := l.Blobs.Put(ctx, s.JSON())
	if err != nil {
		return event.SuiteSaved{}, fmt.Errorf("evaluation: suite %s: %w", s.Name, err)
	}
	saved.Digest = event.Digest(ref.Digest)
	return saved, nil
}

// Define reads a suite's file or a task's.
func Define(definition []byte) (evaluator.Suite, error) {
	var head struct {
		Format string `json:"format"`
	}
	if err := json.Unmarshal(definition, &head); err != nil {
		return evaluator.Suite{}, fmt.Errorf("evaluation: %w: %w", evaluator.ErrSuite, err)
	}
	if head.Format != evaluator.TaskFormat {
		s, err := evaluator.ParseSuite(definition)
		if err != nil {
			err = fmt.Errorf("evaluation: %w", err)
		}
		return s, err
	}
	t, err := evaluator.ParseTask(definition)
	if err != nil {
		return evaluator.Suite{}, fmt.Errorf("evaluation: %w", err)
	}
	t.Format = ""
	s := evaluator.Suite{Format: evaluator.SuiteFormat, Name: t.Name, Version: t.Version, Tasks: []evaluator.Task{t}}
	if err := s.Check(); err != nil {
		return s, fmt.Errorf("evaluation: %w", err)
	}
	return s, nil
}

// files are what a task reads, as far as it is pinned.
func files(t evaluator.Task) (out []event.TaskData) {
	if t.Source == nil {
		return nil
	}
	for _, f := range []event.TaskData{
		{Role: RoleData, Digest: t.Source.Digest}, {Role: RoleFewShot, Digest: t.Source.FewShotDigest}, {Role: RoleLabels, Digest: t.Source.LabelsDigest},
	} {
		if f.Task = t.Name; f.Digest != "" {
			out = append(out, f)
		}
	}
	return out
}

// fetch brings a file from a bucket of the node's object store.
func (l Library) fetch(ctx context.Context, from string) (_ event.Digest, err error) {
	bucket, key, ok := strings.Cut(strings.TrimPrefix(from, "s3://"), "/")
	if !strings.HasPrefix(from, "s3://") || !ok || bucket == "" || key == "" {
		return "", fmt.Errorf("%.200q is no s3://bucket/key", from)
	}
	o, err := l.Blobs.OpenNamed(ctx, bucket, key)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, o.Close()) }()
	if o.Size() > maxData {
		return "", fmt.Errorf("%s has %d bytes, at most %d", from, o.Size(), int64(maxData))
	}
	ref, err := l.Blobs.PutReader(ctx, o, o.Size())
	return event.Digest(ref.Digest), err
}

// Definition is a suite's JSON, as it lies in storage.
func (l Library) Definition(ctx context.Context, digest event.Digest) (json.RawMessage, error) {
	s, err := l.Suite(ctx, digest)
	return bytes.Clone(s.JSON()), err
}

// open gives a task's file.
func (l Library) open(ctx context.Context, digest event.Digest) (io.ReadCloser, error) {
	return l.Blobs.Reader(ctx, blob.Digest(digest))
}
