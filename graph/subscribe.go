package graph

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql/handler/transport"

	"millrace/event"
	"millrace/graph/internal/view"
	"millrace/storage/readmodel"
	"millrace/storage/readmodel/where"
)

// pointReaders is how many subscriptions get points as often as PointInterval allows.
const pointReaders = 8

// watch runs step at once and after every nudge, at most every interval, until step says that it is done, fails, or ctx ends. While
// step waits for its reader nudges merge, so a slow reader gets fewer values and holds nobody up.
func (r *resolver) watch(ctx context.Context, w *readmodel.Watcher, interval time.Duration, step func() (done bool, err error)) error {
	return r.watchAt(ctx, w, func() time.Duration { return interval }, step)
}

// watchAt is watch with an interval that may change.
func (r *resolver) watchAt(ctx context.Context, w *readmodel.Watcher, interval func() time.Duration, step func() (done bool, err error)) error {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-pause.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		done, err := step()
		if done || err != nil {
			return err
		}
		pause.Reset(interval())
		select {
		case _, open := <-w.C():
			if !open {
				return readmodel.ErrClosed
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// follow starts a subscription: body sends values until it returns. What it returns is told to the reader.
func follow[T any](r *resolver, ctx context.Context, body func(ctx context.Context, send func(T) error) error) (<-chan T, error) {
	ctx, leave, err := r.live.enter(ctx)
	if err != nil {
		return nil, err
	}
	out := make(chan T)
	go func() {
		defer leave()
		defer close(out)
		defer func() {
			if v := recover(); v != nil {
				r.complain(ctx, r.recovered(ctx, v))
			}
		}()
		err := body(ctx, func(v T) error {
			select {
			case out <- v:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		if err != nil && ctx.Err() == nil {
			r.complain(ctx, err)
		}
	}()
	return out, nil
}

// complain tells a reader why its subscription ends. Server-sent events have no word of their own for it: there it is a last value.
func (r *resolver) complain(ctx context.Context, err error) {
	shown := r.present(ctx, err)
	if onSocket(ctx) {
		transport.AddSubscriptionError(ctx, shown)
	} else if p, ok := ctx.Value(patientKey{}).(*patient); ok {
		p.fail(shown)
	}
}

// followRun sends a run at each change until it has ended.
func (r *resolver) followRun(ctx context.Context, id string) (<-chan *view.Run, error) {
	if _, err := r.mustRun(id); err != nil {
		return nil, err
	}
	return follow(r, ctx, func(ctx context.Context, send func(*view.Run) error) error {
		w := r.Model.Watch(event.RunID(id))
		defer w.Close()
		return r.watch(ctx, w, r.MinInterval, func() (bool, error) {
			run, err := r.run(event.RunID(id))
			if err != nil || run == nil { // deleted: there is nothing more to say
				return true, err
			}
			return run.Status().Ended(), send(run)
		})
	})
}

// followRuns sends runs that are new or have changed since a place in the log, or since the subscription began.
func (r *resolver) followRuns(ctx context.Context, e where.Expr, after *int64) (<-chan *view.Run, error) {
	since := r.Model.Cursor().Applied
	if after != nil {
		if *after < 0 {
			return nil, badInput("after is %d; places in the log begin at 0", *after)
		}
		since = uint64(*after)
	}
	return follow(r, ctx, func(ctx context.Context, send func(*view.Run) error) error {
		w := r.Model.Watch()
		defer w.Close()
		return r.watch(ctx, w, 4*r.MinInterval, func() (bool, error) {
			for {
				applied := r.Model.Cursor().Applied
				changed, upTo, err := r.Model.ChangedRuns(ctx, e, since)
				if err != nil {
					return true, err
				}
				for _, run := range changed {
					if err := send(&view.Run{Run: run, At: r.Now(), AsOf: upTo}); err != nil {
						return true, err
					}
				}
				if since = upTo; since >= applied {
					return false, nil
				}
			}
		})
	})
}

// followPoints sends what is new of a run's series. A series in whose past something changed is sent again from the start.
func (r *resolver) followPoints(ctx context.Context, id string, keys []string, afterStep *int64) (<-chan []view.Series, error) {
	if _, err := r.mustRun(id); err != nil {
		return nil, err
	}
	if len(keys) == 0 || len(keys) > maxKeys {
		return nil, badInput("%d keys, want 1 to %d", len(keys), maxKeys)
	}
	return follow(r, ctx, func(ctx context.Context, send func([]view.Series) error) error {
		run := event.RunID(id)
		w := r.Model.Watch(run)
		defer w.Close()
		q := readmodel.PointsQuery{Keys: keys, After: map[string]readmodel.Mark{}}
		interval := func() time.Duration { return r.PointInterval * r.live.share() }
		return r.watchAt(ctx, w, interval, func() (bool, error) {
			for more := true; more; {
				got, err := r.Model.Points(run, q)
				if errors.Is(err, readmodel.ErrNotFound) { // deleted: nothing more comes
					return true, nil
				}
				if err != nil {
					return true, err
				}
				more = false
				var fresh []view.Series
				for _, s := range got {
					q.After[s.Ref()] = s.Mark
					more = more || s.More
					if afterStep != nil {
						s = after(s, *afterStep)
					}
					if s.Reset || len(s.Steps) > 0 {
						fresh = append(fresh, view.Series{Series: s})
					}
				}
				if len(fresh) == 0 {
					continue
				}
				if err := send(fresh); err != nil {
					return true, err
				}
			}
			return false, nil
		})
	})
}

// after leaves out the points up to a step. Steps are in order.
func after(s readmodel.Series, step int64) readmodel.Series {
	i, _ := slices.BinarySearchFunc(s.Steps, step, func(x, step int64) int {
		if x <= step {
			return -1
		}
		return 1
	})
	s.Steps, s.Times, s.Values = s.Steps[i:], s.Times[i:], s.Values[i:]
	return s
}

// followLog sends facts as they lie in the log.
func (r *resolver) followLog(ctx context.Context, from *int64, types []string) (<-chan *view.LoggedEvent, error) {
	filters, err := subjects(types)
	if err != nil {
		return nil, err
	}
	if from != nil && *from < 0 {
		return nil, badInput("from is %d; the log begins at 1", *from)
	}
	start := uint64(max(1, deref(from)))
	if from == nil {
		last, err := r.Tracker.LastSeq(ctx)
		if err != nil {
			return nil, err
		}
		start = last + 1
	}
	return follow(r, ctx, func(ctx context.Context, send func(*view.LoggedEvent) error) error {
		return r.Tracker.Follow(ctx, start, filters, func(env event.Envelope) error {
			body, err := body(env.Event)
			if err != nil {
				return err
			}
			return send(&view.LoggedEvent{
				Seq: int64(env.Seq), ID: env.ID, Type: string(env.Event.Type()), Source: env.Source,
				Subject: env.Event.Subject(), Time: env.Time, Body: body,
			})
		})
	})
}

// body is a fact's body as JSON. A metric frame may hold a million points: it is told, not shown.
func body(e event.Event) (json.RawMessage, error) {
	m, ok := e.(event.MetricsLogged)
	if !ok {
		return json.Marshal(e)
	}
	seenRun, seenKey := map[event.RunID]bool{}, map[string]bool{}
	said := struct {
		Runs   []event.RunID `json:"runs"`
		Points int           `json:"points"`
		Keys   []string      `json:"keys"`
	}{[]event.RunID{}, 0, []string{}}
	for _, f := range m.Frames {
		if !seenRun[f.Run] {
			seenRun[f.Run] = true
			said.Runs = append(said.Runs, f.Run)
		}
		said.Points += f.Points()
		for _, s := range f.Series {
			if !seenKey[s.Key] {
				seenKey[s.Key] = true
				said.Keys = append(said.Keys, s.Key)
			}
		}
	}
	return json.Marshal(said)
}

// subjects are the filters for facts of some types, by what two of each have in common.
func subjects(types []string) ([]string, error) {
	var out []string
	zeros := event.Set()
	for _, t := range types {
		filter := ""
		for i, example := range event.Examples() {
			if string(example.Type()) == t {
				filter = anySubject(zeros[i].Subject(), example.Subject())
			}
		}
		if filter == "" {
			return nil, badInput("there is no type of fact called %q", t)
		}
		if !slices.Contains(out, filter) { // filters must not overlap
			out = append(out, filter)
		}
	}
	return out, nil
}

// anySubject puts a wildcard in every place in which two subjects of a type differ.
func anySubject(a, b string) string {
	places, others := strings.Split(a, "."), strings.Split(b, ".")
	for i, p := range places {
		if i >= len(others) || p != others[i] {
			places[i] = "*"
		}
	}
	return strings.Join(places, ".")
}
