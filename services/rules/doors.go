package rules

import (
	"context"
	"errors"
	"sync"
	"time"

	"millrace/event"
)

const (
	// lanes is how many messages leave at once.
	lanes = 8
	// perDoor is how many of them go to one place, and perSlowDoor to one that has not answered for slowAfter.
	perDoor, perSlowDoor = 4, 1
	slowAfter            = time.Second
	// maxDoors is how many slow places are remembered.
	maxDoors = 1000
)

// errBusyDoor brings a message again later: the place that it goes to is slow, and others must not wait for it.
var errBusyDoor = errors.New("rules: messages to the same place have no answer yet")

// doors bounds how many messages are on their way to one place, so that one that hangs leaves lanes to the others.
type doors struct {
	mu  sync.Mutex
	all map[string]*door
}

type door struct {
	begun []time.Time // of those on their way
	slow  bool        // the last one took longer than slowAfter
	moved chan struct{}
}

// to is the place that a message goes to: two with one place share its door.
func to(m event.NotificationRequested) string {
	if m.Channel == "email" {
		return "email" // they all leave by one server
	}
	return m.URLEnv + " " + m.URL
}

// enter waits for a place at a door, not longer than slowAfter; leave gives it back.
func (d *doors) enter(ctx context.Context, place string) (leave func(), err error) {
	deadline := time.Now().Add(slowAfter)
	for {
		leave, moved := d.try(place, time.Now())
		if leave != nil {
			return leave, nil
		}
		if moved == nil || !time.Now().Before(deadline) {
			return nil, errBusyDoor
		}
		wait := time.NewTimer(time.Until(deadline))
		select {
		case <-moved:
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return nil, ctx.Err()
		}
		wait.Stop()
	}
}

// try takes a place; when there is none it tells what to wait for, nil where waiting is no use.
func (d *doors) try(place string, now time.Time) (leave func(), moved chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.all == nil {
		d.all = map[string]*door{}
	}
	x := d.all[place]
	if x == nil {
		for at, idle := range d.all { // an address may be an expression: slow ones must not pile up
			if len(d.all) >= maxDoors && len(idle.begun) == 0 {
				delete(d.all, at)
			}
		}
		x = &door{moved: make(chan struct{})}
		d.all[place] = x
	}
	slow := x.slow || len(x.begun) > 0 && now.Sub(x.begun[0]) > slowAfter
	switch {
	case slow && len(x.begun) >= perSlowDoor:
		return nil, nil
	case len(x.begun) >= perDoor:
		return nil, x.moved
	}
	x.begun = append(x.begun, now)
	return func() { d.leave(place, x, now) }, nil
}

func (d *doors) leave(place string, x *door, began time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, b := range x.begun {
		if b.Equal(began) {
			x.begun = append(x.begun[:i:i], x.begun[i+1:]...)
			break
		}
	}
	x.slow = time.Since(began) > slowAfter
	if len(x.begun) == 0 && !x.slow {
		delete(d.all, place)
	}
	close(x.moved)
	x.moved = make(chan struct{})
}
