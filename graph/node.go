package graph

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"millrace/event"
	"millrace/graph/internal/gen"
	"millrace/graph/internal/view"
	"millrace/storage/readmodel"
)

// maxNodes bounds how many objects are asked for by their ids at once.
const maxNodes = 500

// node finds any object by its global id, nil when there is none. Runs and experiments go by their own id, datasets by their digest (as
// does the first checkpoint of a digest); the rest has a prefix.
func (r *resolver) node(id string) (view.Node, error) {
	if rest, ok := strings.CutPrefix(id, view.CheckpointPrefix); ok {
		run, step, _ := strings.Cut(rest, ":")
		n, err := strconv.ParseInt(step, 10, 64)
		if err != nil {
			return nil, nil
		}
		return found(r.checkpoint(event.RunID(run), n))
	}
	if rest, ok := strings.CutPrefix(id, view.EvaluationPrefix); ok {
		return found(r.evaluationBy(event.RunID(rest)))
	}
	if rest, ok := strings.CutPrefix(id, view.RulePrefix); ok {
		rule, err := r.Model.Rule(event.RuleID(rest))
		return found(&view.Rule{Rule: rule}, err)
	}
	if rest, ok := strings.CutPrefix(id, view.ArtifactPrefix); ok {
		run, path, _ := strings.Cut(rest, ":")
		return found(r.artifact(event.RunID(run), path))
	}
	if digest := event.Digest(id); digest.Valid() {
		d, err := r.dataset(id)
		if d != nil || err != nil {
			return found(d, err)
		}
		return found(r.checkpointOf(digest))
	}
	run, err := r.run(event.RunID(id))
	if run != nil || err != nil {
		return found(run, err)
	}
	x, err := r.Model.Experiment(event.ExperimentID(id))
	return found(&view.Experiment{Experiment: x}, err)
}

// found keeps a nil pointer, and what is not there, from becoming a Node.
func found[T any, P interface {
	*T
	view.Node
}](p P, err error) (view.Node, error) {
	if errors.Is(err, readmodel.ErrNotFound) {
		return nil, nil
	}
	if p == nil || err != nil {
		return nil, err
	}
	return p, nil
}

// checkpointOf finds the first checkpoint of a digest that is still there, nil when there is none.
func (r *resolver) checkpointOf(d event.Digest) (*view.Checkpoint, error) {
	saved, err := r.Model.CheckpointsOf(d)
	if err != nil {
		return nil, err
	}
	for _, c := range saved {
		if !c.Deleted {
			return &view.Checkpoint{Checkpoint: c}, nil
		}
	}
	return nil, nil
}

// evaluationBy finds what a run judged, nil when it judged nothing.
func (r *resolver) evaluationBy(run event.RunID) (*view.Evaluation, error) {
	if run == "" {
		return nil, nil
	}
	list, err := r.Model.Evaluations(readmodel.EvaluationFilter{By: run})
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return &view.Evaluation{Evaluation: list[0]}, nil
}

// artifact finds a file of a run, nil when there is none.
func (r *resolver) artifact(run event.RunID, path string) (*view.LoggedArtifact, error) {
	list, err := r.Model.Artifacts(run)
	if err != nil {
		return nil, err
	}
	for _, a := range list {
		if a.Path == path {
			return &view.LoggedArtifact{Artifact: a}, nil
		}
	}
	return nil, nil
}

// nodes finds several objects, in their order.
func (r *resolver) nodes(ids []string) ([]view.Node, error) {
	if len(ids) > maxNodes {
		return nil, badInput("%d ids, at most %d at once", len(ids), maxNodes)
	}
	out := make([]view.Node, len(ids))
	for i, id := range ids {
		var err error
		if out[i], err = r.node(id); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// eitherOr refuses two names for one thing, and none.
func eitherOr(id *string, by bool) error {
	if (id == nil) != by {
		return badInput("give id or by, one of both")
	}
	return nil
}

// runBy finds the run that is meant, nil when there is none.
func (r *resolver) runBy(ctx context.Context, id *string, by *gen.RunBy) (*view.Run, error) {
	if err := eitherOr(id, by != nil); err != nil {
		return nil, err
	}
	var filter gen.RunFilter
	switch {
	case id != nil:
		return r.run(event.RunID(*id))
	case by.ID != nil:
		return r.run(event.RunID(*by.ID))
	case by.Name != nil:
		filter.Name = &gen.StringFilter{Eq: by.Name}
	default:
		filter.SpecDigest = by.SpecDigest
	}
	for _, archived := range []*bool{nil, ptr(true)} {
		filter.Archived = archived
		page, err := r.runs(ctx, asked{filter: &filter}, nil, ptr(1), nil)
		if err != nil || len(page.Items) > 0 {
			return first(page, err)
		}
	}
	return nil, nil
}

func first(page *view.RunConnection, err error) (*view.Run, error) {
	if err != nil {
		return nil, err
	}
	return page.Items[0], nil
}

// nameBy is what names a thing that has an id and a name.
func nameBy(id *string, by bool, of ...*string) (string, error) {
	if err := eitherOr(id, by); err != nil {
		return "", err
	}
	for _, s := range append([]*string{id}, of...) {
		if s != nil {
			return *s, nil
		}
	}
	return "", nil
}

// checkpoints are those of a run that are still there, by step.
func (r *resolver) checkpoints(run event.RunID) ([]view.Checkpoint, error) {
	list, err := r.Model.Checkpoints(run)
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(c readmodel.Checkpoint) bool { return c.Deleted })
	out := make([]view.Checkpoint, len(list))
	for i, c := range list {
		out[i] = view.Checkpoint{Checkpoint: c}
	}
	return out, nil
}

// lastOf cuts a list to its last entries.
func lastOf[T any](list []T) []T { return list[max(0, len(list)-maxLines):] }

// consolePage is a page of a stream. A cursor is the number of the line before.
func (r *resolver) consolePage(run event.RunID, stream string, first *int, after *string) (*view.ConsoleLineConnection, error) {
	if first != nil && *first < 0 {
		return nil, badInput("first is %d, want 0 or more", *first)
	}
	var from int64
	page := view.Page[view.ConsoleLine]{HasPrev: deref(after) != ""}
	if page.HasPrev {
		number, err := base64.RawURLEncoding.DecodeString(*after)
		if err == nil {
			from, err = strconv.ParseInt(string(number), 10, 64)
		}
		if err != nil {
			return nil, badInput("after is not a cursor of this list")
		}
		from++
	}
	n := pageSize(first)
	got, err := r.Model.Lines(run, stream, from, n+1)
	if err != nil {
		return nil, err
	}
	page.HasNext = len(got) > n
	for _, l := range got[:min(n, len(got))] {
		page.Items = append(page.Items, view.ConsoleLine{Stream: stream, Line: l.Number, Text: l.Text})
		page.Cursors = append(page.Cursors, base64.RawURLEncoding.EncodeToString(fmt.Append(nil, l.Number)))
	}
	page.Count = func(context.Context) (int, error) {
		last, err := r.Model.LastLines(run, stream, 1)
		if err != nil || len(last) == 0 {
			return 0, err
		}
		return int(last[0].Number) + 1, nil
	}
	return &view.ConsoleLineConnection{Page: page}, nil
}
