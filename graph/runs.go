package graph

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"millrace/event"
	"millrace/graph/internal/gen"
	"millrace/graph/internal/view"
	"millrace/storage/readmodel"
)

// batch is how many runs are read at once when each must be tested; the read model gives no more.
const batch = 1000

// runs answers a page of runs.
func (r *resolver) runs(ctx context.Context, f *gen.RunFilter, o *gen.RunOrder, first *int, after *string) (*view.RunConnection, error) {
	if first != nil && *first < 0 {
		return nil, badInput("first is %d, want 0 or more", *first)
	}
	s, err := r.selection(f)
	if err != nil {
		return nil, err
	}
	if o != nil && o.Field == gen.RunFieldKind {
		return r.runsByKind(ctx, s, o.Direction, pageSize(first), deref(after))
	}
	by, err := order(o)
	if err != nil {
		return nil, err
	}
	return r.page(ctx, s, by, pageSize(first), deref(after))
}

// page reads on after a cursor until it has n runs that pass.
func (r *resolver) page(ctx context.Context, s selection, by readmodel.Order, n int, after string) (*view.RunConnection, error) {
	asOf := r.Model.Cursor().Applied
	page := view.Page[*view.Run]{HasPrev: after != "", Count: func(ctx context.Context) (int, error) { return r.count(ctx, s) }}
	if n == 0 {
		total, err := page.Count(ctx)
		page.HasNext = total > 0
		return &view.RunConnection{Page: page}, err
	}
	page.Items, page.Cursors = make([]*view.Run, 0, n), make([]string, 0, n)
	size := n
	if len(s.rest) > 0 {
		size = batch
	}
	for {
		got, err := r.Model.Runs(ctx, s.filter, by, after, size)
		if err != nil {
			return nil, err
		}
		for i, run := range got.Runs {
			ok, err := s.keeps(run)
			if err != nil {
				return nil, err
			}
			if !ok {
				continue
			}
			if len(page.Items) == n {
				page.HasNext = true
				return &view.RunConnection{Page: page}, nil
			}
			page.Items = append(page.Items, &view.Run{Run: run, At: r.Now(), AsOf: asOf})
			page.Cursors = append(page.Cursors, got.Cursors[i])
		}
		if len(s.rest) == 0 {
			page.HasNext = got.HasNext
			page.Count = func(context.Context) (int, error) { return got.Total, nil }
			return &view.RunConnection{Page: page}, nil
		}
		if !got.HasNext {
			return &view.RunConnection{Page: page}, nil
		}
		after = got.Cursors[len(got.Cursors)-1]
	}
}

// count counts all runs that pass.
func (r *resolver) count(ctx context.Context, s selection) (int, error) {
	if len(s.rest) == 0 {
		page, err := r.Model.Runs(ctx, s.filter, readmodel.Order{}, "", 1)
		return page.Total, err
	}
	n := 0
	err := r.each(ctx, s, readmodel.Order{}, func(readmodel.Run) bool { n++; return true })
	return n, err
}

// each calls fn with every run that passes, in order, until it returns false.
func (r *resolver) each(ctx context.Context, s selection, by readmodel.Order, fn func(readmodel.Run) bool) error {
	for after := ""; ; {
		got, err := r.Model.Runs(ctx, s.filter, by, after, batch)
		if err != nil {
			return err
		}
		for _, run := range got.Runs {
			ok, err := s.keeps(run)
			if err != nil {
				return err
			}
			if ok && !fn(run) {
				return nil
			}
		}
		if !got.HasNext {
			return nil
		}
		after = got.Cursors[len(got.Cursors)-1]
	}
}

// kinds in the order of their names.
var kinds = []event.RunKind{event.Curate, event.Evaluate, event.External, event.Finetune, event.Train}

// runsByKind chains the pages of each kind, newest first within one. A cursor is the kind and the cursor within it.
func (r *resolver) runsByKind(ctx context.Context, s selection, dir gen.Direction, n int, after string) (*view.RunConnection, error) {
	at := 0
	within := ""
	if after != "" {
		kind, rest, ok := strings.Cut(after, ".")
		i, err := strconv.Atoi(kind)
		if !ok || err != nil || i < 0 || i >= len(kinds) {
			return nil, badInput("after is not a cursor of this list")
		}
		at, within = i, rest
	}
	all := s.filter.Kinds
	page := view.Page[*view.Run]{HasPrev: after != "", Count: func(ctx context.Context) (int, error) { return r.count(ctx, s) }}
	for ; at < len(kinds); at, within = at+1, "" {
		kind := kinds[at]
		if dir == gen.DirectionDesc {
			kind = kinds[len(kinds)-1-at]
		}
		if len(all) > 0 && !slices.Contains(all, kind) {
			continue
		}
		one := s
		one.filter.Kinds = withBare([]event.RunKind{kind})
		got, err := r.page(ctx, one, readmodel.Order{By: readmodel.OrderCreated, Desc: true}, max(1, n-len(page.Items)), within)
		if err != nil {
			return nil, err
		}
		if len(page.Items) == n && len(got.Items) > 0 {
			page.HasNext = true
			break
		}
		for i, run := range got.Items {
			page.Items = append(page.Items, run)
			page.Cursors = append(page.Cursors, strconv.Itoa(at)+"."+got.Cursors[i])
		}
		if got.HasNext {
			page.HasNext = true
			break
		}
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
