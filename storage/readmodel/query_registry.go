package readmodel

import (
	"encoding/json"
	"fmt"

	"millrace/event"
)

// Collections lists collections, newest first: of an experiment (nil: of all), of a kind ("": of any).
func (m *Model) Collections(of *event.ExperimentID, kind string) (out []Collection, err error) {
	err = m.read(func(v view) error {
		out, err = list(v, tableCollection, "", span{}, 0, func(c Collection) bool {
			return (of == nil || c.Experiment == *of) && (kind == "" || c.Kind == kind)
		})
		return err
	})
	return newest(out, func(c Collection) uint64 { return c.Seq }), err
}

// Collection returns a collection. Errors: ErrNotFound.
func (m *Model) Collection(id event.CollectionID) (c Collection, err error) {
	err = m.read(func(v view) error {
		raw := v.get(tableCollection, "", parts(string(id)))
		if raw == nil {
			return fmt.Errorf("collection %q: %w", id, ErrNotFound)
		}
		c, err = decode[Collection](raw)
		return err
	})
	return c, err
}

// Versions lists a collection's versions by number.
func (m *Model) Versions(id event.CollectionID) (out []Version, err error) {
	err = m.read(func(v view) error {
		out, err = list[Version](v, tableVersion, string(id), span{}, 0, nil)
		return err
	})
	return out, err
}

// Inputs lists what a foreign script said it read and made.
func (m *Model) Inputs(id event.RunID) (out []Input, err error) {
	err = m.ofRun(id, func(v view, _ *runState) error {
		out, err = list[Input](v, tableInput, string(id), span{}, 0, nil)
		return err
	})
	return out, err
}

// Summary returns the values that a foreign script summed itself up with, by dotted path.
func (m *Model) Summary(id event.RunID) (map[string]json.RawMessage, error) {
	out := map[string]json.RawMessage{}
	err := m.ofRun(id, func(v view, _ *runState) error {
		v.scan(tableSummary, string(id), span{}, func(rest, value []byte) bool {
			if path, _, ok := cutPart(rest); ok {
				out[path] = append(json.RawMessage{}, value...)
			}
			return true
		})
		return nil
	})
	return out, err
}

// Span is one span of a trace, as it came.
type Span struct {
	Trace, ID string
	Span      json.RawMessage
}

// Spans lists the spans of a run, by trace and id; trace "" is all.
func (m *Model) Spans(id event.RunID, trace string) ([]Span, error) {
	var out []Span
	err := m.ofRun(id, func(v view, _ *runState) error {
		out = spans(v, string(id), trace)
		return nil
	})
	return out, err
}

// ExperimentSpans lists the spans that belong to an experiment and to no run of it.
func (m *Model) ExperimentSpans(id event.ExperimentID, trace string) (out []Span, err error) {
	err = m.read(func(v view) error {
		out = spans(v, "experiment:"+string(id), trace)
		return nil
	})
	return out, err
}

func spans(v view, group, trace string) (out []Span) {
	s := span{}
	if trace != "" {
		s.prefix = parts(trace)
	}
	v.scan(tableSpan, group, s, func(rest, value []byte) bool {
		trace, rest, ok := cutPart(rest)
		id, _, ok2 := cutPart(rest)
		if ok && ok2 {
			_, raw := cutStamp(value)
			out = append(out, Span{trace, id, append(json.RawMessage{}, raw...)})
		}
		return true
	})
	return out
}

// RunByForeignID finds the run that a foreign script calls so, within an experiment. Errors: ErrNotFound.
func (m *Model) RunByForeignID(x event.ExperimentID, id string) (Run, error) {
	var run event.RunID
	err := m.read(func(v view) error {
		run = event.RunID(v.get(tableForeign, string(x), parts(id)))
		return nil
	})
	if err != nil {
		return Run{}, err
	}
	if run == "" {
		return Run{}, fmt.Errorf("run %q of experiment %q: %w", id, x, ErrNotFound)
	}
	return m.Run(run)
}
