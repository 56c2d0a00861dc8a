package graph

import (
	"context"
	"errors"

	"millrace/event"
	"millrace/graph/internal/gen"
	"millrace/graph/internal/view"
	"millrace/storage/readmodel"
	"millrace/storage/readmodel/where"
)

// asked is which runs, and in which order.
type asked struct {
	filter  *gen.RunFilter
	where   *string
	orderBy []gen.RunOrder
	sort    *string
}

// runs answers a page of runs; within narrows it down further.
func (r *resolver) runs(ctx context.Context, q asked, within where.Expr, first *int, after *string) (*view.RunConnection, error) {
	if first != nil && *first < 0 {
		return nil, badInput("first is %d, want 0 or more", *first)
	}
	e, err := r.picked(q.filter, q.where)
	if err != nil {
		return nil, err
	}
	if within != nil {
		e = where.And{within, e}
	}
	by, err := order(q.orderBy, q.sort)
	if err != nil {
		return nil, err
	}
	n := pageSize(first)
	asOf := r.Model.Cursor().Applied
	got, err := r.Model.Runs(ctx, e, by, deref(after), max(n, 1))
	if err != nil {
		return nil, err
	}
	page := view.Page[*view.Run]{HasPrev: deref(after) != "", HasNext: got.HasNext || n < len(got.Runs), Count: func(context.Context) (int, error) { return got.Total, nil }}
	for i, run := range got.Runs[:min(n, len(got.Runs))] {
		page.Items = append(page.Items, &view.Run{Run: run, At: r.Now(), AsOf: asOf})
		page.Cursors = append(page.Cursors, got.Cursors[i])
	}
	return &view.RunConnection{Page: page}, nil
}

// run finds a run, nil when there is none.
func (r *resolver) run(id event.RunID) (*view.Run, error) {
	if id == "" {
		return nil, nil
	}
	asOf := r.Model.Cursor().Applied
	run, err := r.Model.Run(id)
	if errors.Is(err, readmodel.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &view.Run{Run: run, At: r.Now(), AsOf: asOf}, nil
}

// mustRun finds a run or says that there is none.
func (r *resolver) mustRun(id string) (*view.Run, error) {
	run, err := r.run(event.RunID(id))
	if err == nil && run == nil {
		return nil, notFound("there is no run %q", id)
	}
	return run, err
}

// runsOf finds several runs, each once, in the order of their ids; those that were deleted are left out.
func (r *resolver) runsOf(ids []event.RunID) ([]view.Run, error) {
	var out []view.Run
	seen := map[event.RunID]bool{}
	for _, id := range ids {
		if seen[id] {
			continue
		}
		seen[id] = true
		run, err := r.run(id)
		if err != nil {
			return nil, err
		}
		if run != nil {
			out = append(out, *run)
		}
	}
	return out, nil
}
