package graph

import (
	"context"
	"errors"
	"slices"
	"time"

	"millrace/event"
	"millrace/graph/internal/gen"
	"millrace/graph/internal/view"
	"millrace/storage/readmodel"
)

// lineBatch is how many lines of a stream are read at once.
const lineBatch = 1000

// mark is what tells that a run has changed, its points and usage left out.
type mark struct {
	id                         event.RunID
	updated, progressed, ended time.Time
	status                     event.RunStatus
	name, note                 string
	archived, starred, stop    bool
	tags, labels, attempts     int
}

func markOf(r readmodel.Run) mark {
	return mark{
		r.ID, r.UpdatedAt, r.ProgressAt, r.EndedAt, r.Status, r.Name, r.Note,
		r.Archived, r.Starred, r.Stop != nil, len(r.Tags), len(r.Labels), len(r.Attempts),
	}
}

// followList keeps the first page of a list of runs up to date: all of it first, then how it has changed.
func (r *resolver) followList(ctx context.Context, q asked, first *int) (<-chan *gen.RunListChange, error) {
	if _, err := r.runs(ctx, q, nil, first, nil); err != nil { // what is wrong with the question is said at once
		return nil, err
	}
	return follow(r, ctx, func(ctx context.Context, send func(*gen.RunListChange) error) error {
		w := r.Model.Watch()
		defer w.Close()
		var before *gen.RunListChange
		marks := map[event.RunID]mark{}
		return r.watch(ctx, w, 4*r.MinInterval, func() (bool, error) {
			page, err := r.runs(ctx, q, nil, first, nil)
			if err != nil {
				return true, err
			}
			now := &gen.RunListChange{Added: []view.Run{}, Changed: []view.Run{}, Removed: []string{}, Order: []string{}, HasNextPage: page.HasNext}
			if now.TotalCount, err = page.Count(ctx); err != nil {
				return true, err
			}
			next := make(map[event.RunID]mark, len(page.Items))
			for _, run := range page.Items {
				m := markOf(run.Run)
				now.Order, next[run.ID] = append(now.Order, string(run.ID)), m
				if old, known := marks[run.ID]; !known {
					now.Added = append(now.Added, *run)
				} else if old != m {
					now.Changed = append(now.Changed, *run)
				}
			}
			if before != nil {
				for _, id := range before.Order {
					if _, still := next[event.RunID(id)]; !still {
						now.Removed = append(now.Removed, id)
					}
				}
				if len(now.Added)+len(now.Changed)+len(now.Removed) == 0 && slices.Equal(now.Order, before.Order) &&
					now.TotalCount == before.TotalCount && now.HasNextPage == before.HasNextPage {
					return false, nil
				}
			}
			before, marks = now, next
			return false, send(now)
		})
	})
}

// followConsole sends lines as they come, until the run has ended and all were sent.
func (r *resolver) followConsole(ctx context.Context, id string, stream *string, from *int64) (<-chan []view.ConsoleLine, error) {
	if _, err := r.mustRun(id); err != nil {
		return nil, err
	}
	if from != nil && *from < 0 {
		return nil, badInput("from is %d, want 0 or more", *from)
	}
	return follow(r, ctx, func(ctx context.Context, send func([]view.ConsoleLine) error) error {
		run := event.RunID(id)
		w := r.Model.Watch(run)
		defer w.Close()
		next := map[string]int64{}
		return r.watch(ctx, w, r.MinInterval, func() (bool, error) {
			is, err := r.run(run)
			if err != nil || is == nil { // deleted: nothing more comes
				return true, err
			}
			for more := true; more; {
				lines, err := r.newLines(run, deref(stream), from, next)
				if errors.Is(err, readmodel.ErrNotFound) {
					return true, nil
				}
				if err != nil {
					return true, err
				}
				if more = len(lines) > 0; more {
					if err := send(lines); err != nil {
						return true, err
					}
				}
			}
			return is.Status().Ended(), nil // as it stood before the lines were read
		})
	})
}

// newLines reads on in one stream or all, and notes how far.
func (r *resolver) newLines(run event.RunID, stream string, from *int64, next map[string]int64) ([]view.ConsoleLine, error) {
	streams := []string{stream}
	if stream == "" {
		var err error
		if streams, _, err = r.Model.Streams(run); err != nil {
			return nil, err
		}
		slices.Sort(streams)
	}
	var out []view.ConsoleLine
	for _, s := range streams {
		var got []readmodel.Line
		var err error
		at, begun := next[s]
		switch {
		case begun:
			got, err = r.Model.Lines(run, s, at, lineBatch)
		case from != nil:
			got, err = r.Model.Lines(run, s, *from, lineBatch)
		default:
			got, err = r.Model.LastLines(run, s, defaultLines)
		}
		if err != nil {
			return nil, err
		}
		for _, l := range got {
			out = append(out, view.ConsoleLine{Stream: s, Line: l.Number, Text: l.Text})
			next[s] = l.Number + 1
		}
	}
	return out, nil
}

// followJobs sends the queue again at each change.
func (r *resolver) followJobs(ctx context.Context, kinds []event.RunKind, first *int) (<-chan *view.JobQueue, error) {
	if first != nil && *first < 0 {
		return nil, badInput("first is %d, want 0 or more", *first)
	}
	return follow(r, ctx, func(ctx context.Context, send func(*view.JobQueue) error) error {
		w := r.Model.Watch()
		defer w.Close()
		var before []mark
		sent, counts := false, [2]int{}
		return r.watch(ctx, w, 4*r.MinInterval, func() (bool, error) {
			q, err := r.queue(ctx, kinds, first)
			if err != nil {
				return true, err
			}
			var marks []mark
			for _, j := range append(slices.Clone(q.Waits), q.Does...) {
				marks = append(marks, markOf(j.Run.Run))
			}
			now := [2]int{q.Pending, q.Running}
			if sent && now == counts && slices.Equal(marks, before) {
				return false, nil
			}
			sent, counts, before = true, now, marks
			return false, send(q)
		})
	})
}

// queue is what waits, longest first, and what is done, newest first.
func (r *resolver) queue(ctx context.Context, kinds []event.RunKind, first *int) (*view.JobQueue, error) {
	part := func(status event.RunStatus, dir gen.Direction) ([]view.Job, int, error) {
		f := &gen.RunFilter{Kind: kinds, Status: []event.RunStatus{status}}
		page, err := r.runs(ctx, asked{filter: f, orderBy: []gen.RunOrder{{Field: gen.RunFieldCreated, Direction: dir}}}, nil, first, nil)
		if err != nil {
			return nil, 0, err
		}
		jobs := make([]view.Job, len(page.Items))
		for i, run := range page.Items {
			jobs[i] = view.Job{Run: run}
		}
		n, err := page.Count(ctx)
		return jobs, n, err
	}
	q := &view.JobQueue{}
	var err error
	if q.Waits, q.Pending, err = part(event.Pending, gen.DirectionAsc); err != nil {
		return nil, err
	}
	if q.Does, q.Running, err = part(event.Running, gen.DirectionDesc); err != nil {
		return nil, err
	}
	slices.SortStableFunc(q.Does, func(a, b view.Job) int { return b.Run.Run.StartedAt.Compare(a.Run.Run.StartedAt) })
	return q, nil
}

// followAlerts sends alerts as they are raised.
func (r *resolver) followAlerts(ctx context.Context, run *string) (<-chan *view.RaisedAlert, error) {
	about := event.AlertRaised{Run: "*"}
	if run != nil {
		if _, err := r.mustRun(*run); err != nil {
			return nil, err
		}
		about.Run = event.RunID(*run)
	}
	last, err := r.Tracker.LastSeq(ctx)
	if err != nil {
		return nil, err
	}
	return follow(r, ctx, func(ctx context.Context, send func(*view.RaisedAlert) error) error {
		return r.Tracker.Follow(ctx, last+1, []string{about.Subject()}, func(env event.Envelope) error {
			alert, ok := env.Event.(event.AlertRaised)
			if !ok {
				return nil
			}
			return send(&view.RaisedAlert{Alert: readmodel.Alert{AlertRaised: alert, Seq: env.Seq, At: env.Time}})
		})
	})
}
