package graph

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"strings"
	"time"

	"millrace/event"
	"millrace/graph/internal/gen"
	"millrace/graph/internal/view"
	"millrace/storage/readmodel"
)

// Bounds on what is shown of files and tables that runs logged.
const (
	defaultTables = 1
	maxTables     = 20
	maxTableRows  = 1_000
	maxTableBytes = 8 << 20
)

// logged hands a fact to the tracker as a batch of its own, and answers with the run as it stands then.
func (r *resolver) logged(ctx context.Context, run, writer string, sequence *int64, fact event.Event) (*gen.LogPayload, error) {
	refused := func(err error) (*gen.LogPayload, error) {
		errs, err := r.userErrors(ctx, err)
		if err != nil {
			return nil, err
		}
		return &gen.LogPayload{UserErrors: errs}, nil
	}
	if n := deref(sequence); n < 0 {
		return refused(refusal{code: "INVALID", message: "a batch's number is not negative", field: []string{"sequence"}})
	}
	got, err := r.Tracker.Take(ctx, event.Batch{Run: event.RunID(run), Writer: event.WriterID(writer), Sequence: uint64(deref(sequence)), Facts: []event.Event{fact}})
	if err == nil {
		err = r.Tracker.Await(ctx, got.Seq)
	}
	if err != nil {
		return refused(err)
	}
	seq := int64(got.Seq)
	out := &gen.LogPayload{Accepted: &got.Points, Duplicate: &got.Duplicate, Seq: &seq, UserErrors: []gen.UserError{}}
	out.Run, err = r.run(event.RunID(run))
	return out, err
}

// frame makes one frame of points and columns.
func (r *resolver) frame(in gen.LogPointsInput) (event.Frame, error) {
	f := event.Frame{Run: event.RunID(in.Run), Writer: event.WriterID(in.Writer)}
	now := r.Now().UnixMicro()
	type name struct{ key, context string }
	at := map[name]int{}
	find := func(key string, raw json.RawMessage, field string) (*event.Series, error) {
		context, err := event.Context(raw)
		if err != nil {
			return nil, refusal{code: "INVALID", message: err.Error(), field: []string{field}}
		}
		i, ok := at[name{key, context}]
		if !ok {
			i = len(f.Series)
			at[name{key, context}] = i
			f.Series = append(f.Series, event.Series{Key: key, Context: context})
		}
		return &f.Series[i], nil
	}
	for _, p := range in.Points {
		s, err := find(p.Key, p.Context, "points")
		if err != nil {
			return f, err
		}
		when := now
		if p.Time != nil {
			when = p.Time.UnixMicro()
		}
		s.Steps, s.Times, s.Values = append(s.Steps, p.Step), append(s.Times, when), append(s.Values, float64(p.Value))
	}
	for _, c := range in.Series {
		if len(c.Steps) != len(c.Values) || c.Times != nil && len(c.Times) != len(c.Steps) {
			return f, refusal{code: "INVALID", message: "the columns of \"" + c.Key + "\" must have one length", field: []string{"series"}}
		}
		s, err := find(c.Key, c.Context, "series")
		if err != nil {
			return f, err
		}
		for i, step := range c.Steps {
			when := now
			if c.Times != nil {
				when = c.Times[i].UnixMicro()
			}
			s.Steps, s.Times, s.Values = append(s.Steps, step), append(s.Times, when), append(s.Values, float64(c.Values[i]))
		}
	}
	return f, nil
}

// below tells whether a path is the one that is wanted, or within it.
func below(path, wanted string) bool {
	if strings.HasSuffix(wanted, "/") {
		return strings.HasPrefix(path, wanted)
	}
	return path == wanted
}

// tables reads the tables of a run from storage.
func (r *resolver) tables(ctx context.Context, id event.RunID, path *string, first int) ([]view.LoggedTable, error) {
	files, err := r.Model.Artifacts(id)
	if errors.Is(err, readmodel.ErrNotFound) || r.Blob == nil {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	out := []view.LoggedTable{}
	for _, a := range files {
		f := view.LoggedArtifact{Artifact: a}
		if len(out) >= min(first, maxTables) {
			break
		}
		if a.Role != "table" || path != nil && !below(a.Path, *path) {
			continue
		}
		t, err := r.table(ctx, f)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

// table reads one table; what calls itself one and is none has no columns.
func (r *resolver) table(ctx context.Context, f view.LoggedArtifact) (view.LoggedTable, error) {
	t := view.LoggedTable{Artifact: f, Columns: []string{}, Rows: []json.RawMessage{}}
	content, err := r.Blob(ctx, f.File.Digest)
	if err != nil {
		return t, err
	}
	defer content.Close()
	raw, err := io.ReadAll(io.LimitReader(content, maxTableBytes+1))
	if err != nil {
		return t, err
	}
	var in struct {
		Columns []string
		Rows    []json.RawMessage
	}
	if len(raw) > maxTableBytes || json.Unmarshal(raw, &in) != nil {
		return t, nil
	}
	t.Count = len(in.Rows)
	if in.Columns != nil {
		t.Columns = in.Columns
	}
	t.Rows = append(t.Rows, in.Rows[:min(len(in.Rows), maxTableRows)]...)
	return t, nil
}

// count is how many of a list to show.
func count(asked *int, usual int) int {
	if asked == nil {
		return usual
	}
	return max(0, *asked)
}

// moment is nil for a time that has not come.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// micros is a time in µs since 1970; 0 where there is none.
func micros(t *time.Time) int64 {
	if t == nil {
		return 0
	}
	return t.UnixMicro()
}
