package graph

import (
	"context"
	"strings"

	"millrace/event"
	"millrace/graph/internal/gen"
	"millrace/graph/internal/view"
	"millrace/storage/readmodel/where"
)

// sameSpec lists the other runs with a run's spec digest, newest first.
func (r *resolver) sameSpec(ctx context.Context, of *view.Run, first *int) ([]view.Run, error) {
	n := pageSize(first)
	if of.SpecDigest == "" || n == 0 {
		return nil, nil
	}
	asOf := r.Model.Cursor().Applied
	same := where.Compare{Field: where.Field{Name: where.SpecDigest}, Op: where.Equal, Values: []where.Value{{Kind: where.Word, Word: string(of.SpecDigest)}}}
	page, err := r.Model.Runs(ctx, same, []where.Sort{{Field: where.Field{Name: where.Created}, Desc: true}}, "", n+1)
	var out []view.Run
	for _, run := range page.Runs {
		if run.ID != of.ID && len(out) < n {
			out = append(out, view.Run{Run: run, At: r.Now(), AsOf: asOf})
		}
	}
	return out, err
}

// cleared names what is to be taken away from an experiment, in the words of the event.
func cleared(fields []gen.ExperimentField) []string {
	var out []string
	for _, f := range fields {
		out = append(out, strings.ToLower(string(f)))
	}
	return out
}

// reproduce wishes for a run to be done again, and tells what is known to be another than it was.
func (r *resolver) reproduce(ctx context.Context, in gen.ReproduceRunInput) (*gen.ReproduceRunPayload, error) {
	got, err := r.about(ctx, in.ID, event.RunRequested{
		Branch:    &event.Branch{From: event.RunID(in.ID), Kind: event.Reproduction},
		StopAfter: deref(in.Steps), Name: deref(in.Name), By: deref(in.By),
	})
	if err != nil {
		return nil, err
	}
	p := &gen.ReproduceRunPayload{Run: got.Run, UserErrors: got.UserErrors}
	if got.Run == nil || r.Foreseen == nil {
		return p, nil
	}
	p.Warnings, err = r.Foreseen(ctx, event.RunID(in.ID))
	if p.Warnings == nil {
		p.Warnings = []string{}
	}
	return p, err
}

// reproduction is the verdict on a run, or how far the comparison is; nil when the run reproduces nothing.
func (r *resolver) reproduction(of *view.Run) *view.Reproduction {
	v := of.Reproduction()
	if v != nil && of.Run.Reproduction == nil && r.Compared != nil {
		v.Points, v.Digests = r.Compared(of.ID)
	}
	return v
}

// maxForks bounds how many parents' points a fork shows.
const maxForks = 50

// inherited reads a run's series and, of a fork, in front of them its parents' up to where each begins.
func (r *resolver) inherited(of *view.Run, keys []string, from, to *int64, maxPoints *int) ([]view.Series, error) {
	out, err := r.columns(of.ID, keys, chart{from: from, to: to, points: maxPoints})
	seen := map[event.RunID]bool{of.ID: true}
	for run := of; err == nil && run != nil && run.Branch != nil && run.Branch.Kind == event.Fork && len(seen) <= maxForks; {
		parent, until := run.Branch.From, run.Branch.Step
		if to != nil {
			until = min(until, *to)
		}
		to = &until
		if seen[parent] {
			break
		}
		seen[parent] = true
		if run, err = r.run(parent); err != nil || run == nil { // deleted: what the fork itself has remains
			break
		}
		var older []view.Series
		if older, err = r.columns(parent, keys, chart{from: from, to: to, points: maxPoints}); err == nil {
			out = append(older, out...)
		}
	}
	return out, err
}
