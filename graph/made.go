package graph

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"

	"millrace/event"
	"millrace/graph/internal/view"
	"millrace/storage/readmodel"
	"millrace/storage/readmodel/where"
)

// experiment finds one by id or by name, nil when there is none.
func (r *resolver) experiment(idOrName string) (*view.Experiment, error) {
	if idOrName == "" {
		return nil, nil
	}
	x, err := r.Model.Experiment(event.ExperimentID(idOrName))
	if errors.Is(err, readmodel.ErrNotFound) {
		x, err = r.Model.ExperimentByName(idOrName)
	}
	if errors.Is(err, readmodel.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &view.Experiment{Experiment: x}, nil
}

// experimentID is the id of what is called by id or by name; what is not known stays as it was given.
func (r *resolver) experimentID(idOrName string) (event.ExperimentID, error) {
	x, err := r.experiment(idOrName)
	if x == nil || err != nil {
		return event.ExperimentID(idOrName), err
	}
	return x.ID, nil
}

// best is the run that has reached the best value of an experiment's objective, nil when none has one.
func (r *resolver) best(ctx context.Context, x *view.Experiment) (*view.Run, error) {
	if x.Objective == nil {
		return nil, nil
	}
	metric := where.Field{Name: where.Metric, Key: x.Objective.Metric, Stat: where.StatMin}
	if x.Objective.Direction == "max" {
		metric.Stat = where.StatMax
	}
	has := where.And{within(x.ID), is(where.Archived, where.Value{Kind: where.Bool}), where.Compare{Field: metric, Op: where.Exists}}
	page, err := r.Model.Runs(ctx, has, []where.Sort{{Field: metric, Desc: metric.Stat == where.StatMax}}, "", 1)
	if err != nil || len(page.Runs) == 0 {
		return nil, err
	}
	return r.run(page.Runs[0].ID)
}

// dataset finds one by digest or by name (the newest of that name), nil when there is none.
func (r *resolver) dataset(idOrName string) (*view.Dataset, error) {
	if event.Digest(idOrName).Valid() {
		d, err := r.Model.Dataset(event.Digest(idOrName))
		if errors.Is(err, readmodel.ErrNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		return &view.Dataset{Dataset: d}, nil
	}
	all, err := r.Model.Datasets()
	if err != nil {
		return nil, err
	}
	for _, d := range all {
		if d.Name == idOrName {
			return &view.Dataset{Dataset: d}, nil
		}
	}
	return nil, nil
}

// checkpoint finds what a run saved at a step, nil when there is nothing, or nothing any more.
func (r *resolver) checkpoint(run event.RunID, step int64) (*view.Checkpoint, error) {
	c, err := r.Model.Checkpoint(run, step)
	if errors.Is(err, readmodel.ErrNotFound) || err == nil && c.Deleted {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &view.Checkpoint{Checkpoint: c}, nil
}

func evaluations(list []readmodel.Evaluation) []view.Evaluation {
	out := make([]view.Evaluation, len(list))
	for i, e := range list {
		out[i] = view.Evaluation{Evaluation: e}
	}
	return out
}

// pageOf cuts a page out of a whole list. A cursor is the id of the item before.
func pageOf[T any](items []T, id func(T) string, first *int, after *string) (view.Page[T], error) {
	page := view.Page[T]{Count: func(context.Context) (int, error) { return len(items), nil }}
	if first != nil && *first < 0 {
		return page, badInput("first is %d, want 0 or more", *first)
	}
	rest := items
	if after != nil && *after != "" {
		want, err := base64.RawURLEncoding.DecodeString(*after)
		at := slices.IndexFunc(items, func(item T) bool { return id(item) == string(want) })
		if err != nil || at < 0 {
			return page, badInput("after is not a cursor of this list")
		}
		rest, page.HasPrev = items[at+1:], true
	}
	n := min(pageSize(first), len(rest))
	page.Items, page.HasNext = rest[:n], n < len(rest)
	for _, item := range page.Items {
		page.Cursors = append(page.Cursors, base64.RawURLEncoding.EncodeToString([]byte(id(item))))
	}
	return page, nil
}

// lineage follows the edges of one run.
type lineage struct {
	datasets                       []event.Digest
	made                           event.Digest
	parents, children, evaluatedBy []event.RunID
}

const runNode = "run:" // what readmodel.RunNode puts before an id

// lineage collects what a run came from and what came of it. A checkpoint between two runs is no step of its own.
func (r *resolver) lineage(id event.RunID) (lineage, error) {
	var l lineage
	edges, err := r.Model.Lineage(readmodel.RunNode(id))
	if err != nil {
		return l, err
	}
	for _, e := range edges.Up {
		if from, ok := cutNode(e.From); ok {
			l.parents = append(l.parents, from)
			continue
		}
		if e.Role == "dataset" {
			l.datasets = append(l.datasets, event.Digest(e.From))
			continue
		}
		saved, err := r.Model.CheckpointsOf(event.Digest(e.From))
		if err != nil {
			return l, err
		}
		for _, c := range saved {
			if c.Run != id {
				l.parents = append(l.parents, c.Run)
			}
		}
	}
	for _, e := range edges.Down {
		if err := r.lineageDown(&l, e, id); err != nil {
			return l, err
		}
	}
	return l, nil
}

func (r *resolver) lineageDown(l *lineage, e readmodel.Edge, id event.RunID) error {
	if to, ok := cutNode(e.To); ok {
		if e.Role == event.Evaluation {
			l.evaluatedBy = append(l.evaluatedBy, to)
		} else {
			l.children = append(l.children, to)
		}
		return nil
	}
	if _, err := r.Model.Dataset(event.Digest(e.To)); err == nil {
		l.made = event.Digest(e.To)
		return nil
	}
	users, err := r.Model.Lineage(e.To)
	if err != nil {
		return err
	}
	for _, u := range users.Down {
		to, ok := cutNode(u.To)
		if !ok || to == id {
			continue
		}
		if u.Role == event.Evaluation {
			l.evaluatedBy = append(l.evaluatedBy, to)
			continue
		}
		run, err := r.run(to)
		if err != nil {
			return err
		}
		if run != nil && run.Kind() != event.Evaluate {
			l.children = append(l.children, to)
		}
	}
	return nil
}

func cutNode(node string) (event.RunID, bool) {
	if len(node) <= len(runNode) || node[:len(runNode)] != runNode {
		return "", false
	}
	return event.RunID(node[len(runNode):]), true
}
