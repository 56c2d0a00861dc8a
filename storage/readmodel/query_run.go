package readmodel

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"millrace/event"
)

// decode reads a stored JSON value.
func decode[T any](raw []byte) (T, error) {
	var x T
	if err := json.Unmarshal(raw, &x); err != nil {
		return x, fmt.Errorf("readmodel: stored %T: %w: %w", x, err, ErrBroken)
	}
	return x, nil
}

// known returns a run's state. The lock must be held.
func (m *Model) known(id event.RunID) (*runState, error) {
	if st := m.runs[id]; st != nil {
		return st, nil
	}
	if _, gone := m.gone[id]; gone {
		return nil, fmt.Errorf("run %q was deleted: %w", id, ErrNotFound)
	}
	return nil, fmt.Errorf("run %q: %w", id, ErrNotFound)
}

// Has tells whether there is such a run.
func (m *Model) Has(id event.RunID) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.runs[id] != nil
}

// Run returns a run; one whose record cannot be read says so in Damaged. Errors: ErrNotFound, also when it was deleted.
func (m *Model) Run(id event.RunID) (Run, error) {
	var out Run
	err := m.ofRun(id, func(v view, st *runState) error {
		out = m.snapshot(v, st)
		return nil
	})
	return out, err
}

// Deletion returns what is left of a deleted run. Errors: ErrNotFound.
func (m *Model) Deletion(id event.RunID) (Deletion, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	d, ok := m.gone[id]
	if !ok {
		return Deletion{}, fmt.Errorf("deletion of run %q: %w", id, ErrNotFound)
	}
	return d, nil
}

// ofRun calls fn with a view and a run that is there.
func (m *Model) ofRun(id event.RunID, fn func(v view, st *runState) error) error {
	return m.read(func(v view) error {
		st, err := m.known(id)
		if err != nil {
			return err
		}
		return fn(v, st)
	})
}

// list decodes at most n values of a span (n ≤ 0: all), leaving out those that keep refuses.
func list[T any](v view, t table, group string, s span, n int, keep func(T) bool) ([]T, error) {
	var out []T
	var err error
	v.scan(t, group, s, func(_, value []byte) bool {
		var x T
		if x, err = decode[T](value); err != nil {
			return false
		}
		if keep == nil || keep(x) {
			out = append(out, x)
		}
		return n <= 0 || len(out) < n
	})
	return out, err
}

// Params lists the hyper-parameters that were logged beside the spec, by path.
func (m *Model) Params(id event.RunID) ([]event.Param, error) {
	var out []event.Param
	err := m.ofRun(id, func(v view, _ *runState) error {
		params, err := v.params(string(id))
		for _, path := range slices.Sorted(maps.Keys(params)) {
			out = append(out, params[path].Param)
		}
		return err
	})
	return out, err
}

// Lines reads console lines from a number on, at most n (≤ 0: 1,000). Stream "" is "stdout".
func (m *Model) Lines(id event.RunID, stream string, from int64, n int) ([]Line, error) {
	return m.lines(id, stream, span{from: parts(streamName(stream), from)}, n)
}

// LastLines reads the last n console lines (≤ 0: 1,000), in order.
func (m *Model) LastLines(id event.RunID, stream string, n int) ([]Line, error) {
	out, err := m.lines(id, stream, span{backward: true}, n)
	slices.Reverse(out)
	return out, err
}

func streamName(stream string) string { return cmp.Or(stream, "stdout") }

func (m *Model) lines(id event.RunID, stream string, s span, n int) ([]Line, error) {
	if n <= 0 {
		n = 1000
	}
	s.prefix = parts(streamName(stream))
	var out []Line
	err := m.ofRun(id, func(v view, _ *runState) error {
		v.scan(tableLine, string(id), s, func(rest, value []byte) bool {
			number, _, _ := cutInt(rest[len(s.prefix):])
			at, text := cutStamp(value)
			out = append(out, Line{number, string(text), at})
			return len(out) < n
		})
		return nil
	})
	return out, err
}

// Rows reads raw rows of a foreign stream from a number on, at most n (≤ 0: 1,000).
func (m *Model) Rows(id event.RunID, stream string, from int64, n int) ([]Row, error) {
	if n <= 0 {
		n = 1000
	}
	prefix := parts(stream)
	var out []Row
	err := m.ofRun(id, func(v view, _ *runState) error {
		v.scan(tableRow, string(id), span{prefix: prefix, from: prefix + parts(from)}, func(rest, value []byte) bool {
			number, _, _ := cutInt(rest[len(prefix):])
			at, raw := cutStamp(value)
			out = append(out, Row{number, bytes.Clone(raw), at})
			return len(out) < n
		})
		return nil
	})
	return out, err
}

// Streams lists the names of a run's streams of console lines and of rows.
func (m *Model) Streams(id event.RunID) (lines, rows []string, err error) {
	err = m.ofRun(id, func(v view, _ *runState) error {
		lines, rows = v.streams(tableLine, string(id)), v.streams(tableRow, string(id))
		return nil
	})
	return lines, rows, err
}

// streams lists the distinct first parts of a group's keys, skipping from one to the next.
func (v view) streams(t table, group string) []string {
	var out []string
	for from := ""; ; {
		found := ""
		ok := false
		v.scan(t, group, span{from: from}, func(rest, _ []byte) bool {
			found, _, ok = cutPart(rest)
			return false
		})
		if !ok {
			return out
		}
		out = append(out, found)
		from = parts(found)
		from = from[:len(from)-1] + "\x02" // after all that begins so
	}
}

// Texts lists logged pieces of text, those of the greatest step first; key "" means every key, n ≤ 0 all.
func (m *Model) Texts(id event.RunID, key string, n int) ([]Text, error) {
	var out []Text
	err := m.ofRun(id, func(v view, _ *runState) (err error) {
		out, err = list(v, tableText, string(id), span{backward: true}, n, func(t Text) bool { return key == "" || t.Key == key })
		return err
	})
	return out, err
}

// Artifacts lists the files that a run made or used, by path.
func (m *Model) Artifacts(id event.RunID) ([]Artifact, error) {
	var out []Artifact
	err := m.ofRun(id, func(v view, _ *runState) (err error) {
		out, err = list[Artifact](v, tableArtifact, string(id), span{}, 0, nil)
		return err
	})
	return out, err
}

// Alerts lists alerts, newest first, at most n (≤ 0: 100); id "" means those of every run.
func (m *Model) Alerts(id event.RunID, n int) ([]Alert, error) {
	if n <= 0 {
		n = 100
	}
	var out []Alert
	if id != "" {
		err := m.ofRun(id, func(v view, _ *runState) (err error) {
			out, err = list[Alert](v, tableAlert, string(id), span{backward: true}, n, nil)
			return err
		})
		return out, err
	}
	err := m.read(func(v view) (err error) {
		v.scan(tableAlertOrder, "", span{backward: true}, func(rest, run []byte) bool {
			raw := v.get(tableAlert, string(run), string(rest))
			if raw == nil {
				return true
			}
			var a Alert
			if a, err = decode[Alert](raw); err != nil {
				return false
			}
			out = append(out, a)
			return len(out) < n
		})
		return err
	})
	return out, err
}

// MetricDefinitions lists how a run's metrics are to be read, by key.
func (m *Model) MetricDefinitions(id event.RunID) ([]event.MetricDefined, error) {
	var out []event.MetricDefined
	err := m.ofRun(id, func(v view, _ *runState) (err error) {
		out, err = list[event.MetricDefined](v, tableDefinition, string(id), span{}, 0, nil)
		return err
	})
	return out, err
}

// Checkpoints lists a run's checkpoints by step, but those that were deleted.
func (m *Model) Checkpoints(id event.RunID) ([]Checkpoint, error) {
	var out []Checkpoint
	err := m.ofRun(id, func(v view, _ *runState) (err error) {
		out, err = list(v, tableCheckpoint, string(id), span{}, 0, func(c Checkpoint) bool { return !c.Deleted })
		return err
	})
	return out, err
}

// Checkpoint returns a run's checkpoint of a step, a deleted one too. Errors: ErrNotFound.
func (m *Model) Checkpoint(id event.RunID, step int64) (Checkpoint, error) {
	var out Checkpoint
	err := m.ofRun(id, func(v view, _ *runState) (err error) {
		raw := v.get(tableCheckpoint, string(id), parts(step))
		if raw == nil {
			return fmt.Errorf("checkpoint of run %q at step %d: %w", id, step, ErrNotFound)
		}
		out, err = decode[Checkpoint](raw)
		return err
	})
	return out, err
}

// LastCheckpoint returns a run's checkpoint of the greatest step that was not deleted. Errors: ErrNotFound.
func (m *Model) LastCheckpoint(id event.RunID) (Checkpoint, error) {
	var out []Checkpoint
	err := m.ofRun(id, func(v view, _ *runState) (err error) {
		out, err = list(v, tableCheckpoint, string(id), span{backward: true}, 1, func(c Checkpoint) bool { return !c.Deleted })
		return err
	})
	if err != nil {
		return Checkpoint{}, err
	}
	if len(out) == 0 {
		return Checkpoint{}, fmt.Errorf("checkpoint of run %q: %w", id, ErrNotFound)
	}
	return out[0], nil
}

// CheckpointsOf lists the checkpoints that have this digest, by run and step: a reproduction has the same ones.
func (m *Model) CheckpointsOf(d event.Digest) ([]Checkpoint, error) {
	var out []Checkpoint
	err := m.read(func(v view) (err error) {
		v.scan(tableCheckpointOf, string(d), span{}, func(rest, _ []byte) bool {
			run, step, ok := cutPart(rest)
			raw := v.get(tableCheckpoint, run, string(step))
			if !ok || raw == nil {
				return true
			}
			var c Checkpoint
			if c, err = decode[Checkpoint](raw); err != nil {
				return false
			}
			out = append(out, c)
			return true
		})
		return err
	})
	return out, err
}

// EvaluationFilter picks evaluations. One of Of, Checkpoint and By must be set.
type EvaluationFilter struct {
	Of         event.RunID  // the run judged
	Checkpoint event.Digest // the checkpoint judged
	By         event.RunID  // the evaluation's own run
	Suite      string
}

// Evaluations lists evaluations by judged run, step and suite. Errors: ErrNotFound for an unknown run, ErrBadQuery for an empty filter.
func (m *Model) Evaluations(f EvaluationFilter) ([]Evaluation, error) {
	keep := func(e Evaluation) bool {
		return (f.Suite == "" || e.Suite == f.Suite) && (f.Checkpoint == "" || e.Checkpoint == f.Checkpoint) && (f.By == "" || e.Run == f.By)
	}
	var out []Evaluation
	if f.Of != "" {
		err := m.ofRun(f.Of, func(v view, _ *runState) (err error) {
			out, err = list(v, tableEvaluation, string(f.Of), span{}, 0, keep)
			return err
		})
		return out, err
	}
	group := string(f.Checkpoint)
	if group == "" {
		group = RunNode(f.By)
	}
	if f.Checkpoint == "" && f.By == "" {
		return nil, fmt.Errorf("evaluations of what: name a run, a checkpoint or an evaluation: %w", ErrBadQuery)
	}
	err := m.read(func(v view) (err error) {
		v.scan(tableEvaluationOf, group, span{}, func(rest, _ []byte) bool {
			run, rest, ok := cutPart(rest)
			raw := v.get(tableEvaluation, run, string(rest))
			if !ok || raw == nil {
				return true
			}
			var e Evaluation
			if e, err = decode[Evaluation](raw); err != nil {
				return false
			}
			if keep(e) {
				out = append(out, e)
			}
			return true
		})
		return err
	})
	return out, err
}
