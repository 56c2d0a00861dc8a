package graph

import (
	"context"
	"io"
	"sync"

	"millrace/evaluator/contest"
	"millrace/event"
	"millrace/storage/readmodel"
)

// desk keeps what contests ask, and what their votes amount to, so that a page that is asked for after every vote reads no answers again. It
// forgets the oldest of more than a few.
type desk struct {
	mu      sync.Mutex
	asked   []contest.Contest // newest last
	tallied []tallied
	cast    []cast
}

type tallied struct {
	id      event.ContestID
	changed uint64
	of      contest.Of
	tally   contest.Tally
}

type cast struct {
	id      event.ContestID
	changed uint64
	votes   []event.VoteCast
}

const (
	maxAsked   = 4
	maxTallied = 64
)

type blobs func(context.Context, event.Digest) (io.ReadCloser, error)

// gather reads the answers of a contest.
func (d *desk) gather(ctx context.Context, read blobs, c event.ContestOpened) (contest.Items, error) {
	items, err := contest.Gather(c, opener(ctx, read, c))
	return items, unreadable(err)
}

// contest is one with its items.
func (d *desk) contest(ctx context.Context, read blobs, c readmodel.Contest) (contest.Contest, error) {
	d.mu.Lock()
	for _, x := range d.asked {
		if x.Contest == c.Contest {
			d.mu.Unlock()
			return x, nil
		}
	}
	d.mu.Unlock()
	items, err := d.gather(ctx, read, c.ContestOpened)
	if err != nil {
		return contest.Contest{}, err
	}
	x := contest.Contest{ContestOpened: c.ContestOpened, Items: items}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.asked = append(d.asked, x); len(d.asked) > maxAsked {
		d.asked = d.asked[1:]
	}
	return x, nil
}

// votes are those of a contest that count. The list is not to be changed.
func (d *desk) votes(m *readmodel.Model, c readmodel.Contest) ([]event.VoteCast, error) {
	list, _, err := d.votesAt(m, c)
	return list, err
}

func (d *desk) votesAt(m *readmodel.Model, c readmodel.Contest) ([]event.VoteCast, uint64, error) {
	d.mu.Lock()
	for _, x := range d.cast {
		if x.id == c.Contest && x.changed == c.Changed {
			d.mu.Unlock()
			return x.votes, x.changed, nil
		}
	}
	d.mu.Unlock()
	all, changed, err := m.Votes(c.Contest)
	if err != nil {
		return nil, 0, err
	}
	out := make([]event.VoteCast, len(all))
	for i, v := range all {
		out[i] = v.VoteCast
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cast = append(d.cast, cast{c.Contest, changed, out}); len(d.cast) > maxAsked {
		d.cast = d.cast[1:]
	}
	return out, changed, nil
}

// tally is what a contest's votes amount to.
func (d *desk) tally(m *readmodel.Model, c readmodel.Contest, of contest.Of) (contest.Tally, error) {
	d.mu.Lock()
	for _, x := range d.tallied {
		if x.id == c.Contest && x.changed == c.Changed && x.of == of {
			d.mu.Unlock()
			return x.tally, nil
		}
	}
	d.mu.Unlock()
	votes, changed, err := d.votesAt(m, c)
	if err != nil {
		return contest.Tally{}, err
	}
	t, err := contest.Contest{ContestOpened: c.ContestOpened}.Count(votes, of)
	if err != nil {
		return t, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.tallied = append(d.tallied, tallied{c.Contest, changed, of, t}); len(d.tallied) > maxTallied {
		d.tallied = d.tallied[1:]
	}
	return t, nil
}
