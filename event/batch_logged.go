package event

import (
	"encoding/json"
	"fmt"
	"iter"
	"reflect"
)

// BatchLogged carries several facts of one run that one writer logged at once, in order: one durable write for all of them. Each means what
// it would mean by itself, at this fact's place and time. Metric points travel beside it (MetricsLogged), and so do parameters, which are
// taken on a condition.
type BatchLogged struct {
	Run   RunID        `json:"run"`
	Facts []PackedFact `json:"facts"`
}

// PackedFact is one fact inside another.
type PackedFact struct {
	Type Type    `json:"type"`
	Body RawJSON `json:"body"`
}

// Pack makes a fact ready to be carried by another: ErrMalformed for one that travels by itself only.
func Pack(e Event) (PackedFact, error) {
	switch e.(type) {
	case MetricsLogged, BatchLogged:
		return PackedFact{}, fmt.Errorf("event: pack: %s travels by itself: %w", e.Type(), ErrMalformed)
	}
	body, err := json.Marshal(e)
	if err != nil {
		return PackedFact{}, fmt.Errorf("event: pack %s: %w", e.Type(), err)
	}
	return PackedFact{e.Type(), body}, nil
}

// Unpack yields the facts of a batch in order. One that cannot be read, or is about another run, is yielded as an error: ErrUnknownType,
// ErrMalformed.
func (e BatchLogged) Unpack() iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for _, p := range e.Facts {
			if !yield(p.unpack(e.Run)) {
				return
			}
		}
	}
}

func (p PackedFact) unpack(run RunID) (Event, error) {
	zero := zeroOf(p.Type)
	switch zero.(type) {
	case nil:
		return nil, fmt.Errorf("event: unpack %.80q: %w", p.Type, ErrUnknownType)
	case MetricsLogged, BatchLogged:
		return nil, fmt.Errorf("event: unpack: %s travels by itself: %w", p.Type, ErrMalformed)
	}
	v := reflect.New(reflect.TypeOf(zero))
	if err := json.Unmarshal(p.Body, v.Interface()); err != nil {
		return nil, fmt.Errorf("event: unpack %s: %w: %w", p.Type, ErrMalformed, err)
	}
	e := v.Elem().Interface().(Event)
	if RunOf(e) != run {
		return nil, fmt.Errorf("event: unpack %s: it lies at %q in a batch of run %q: %w", p.Type, e.Subject(), run, ErrMalformed)
	}
	return e, nil
}

func (BatchLogged) Type() Type        { return "run.batch_logged" }
func (e BatchLogged) Subject() string { return runSubject(e.Run, "batch_logged") }
func (BatchLogged) sealed()           {}
