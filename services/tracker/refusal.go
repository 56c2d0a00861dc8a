package tracker

import (
	"errors"
	"fmt"
)

// The codes of refusals, for programs.
const (
	Invalid     = "INVALID"
	NotFound    = "NOT_FOUND"
	Conflict    = "CONFLICT"
	Unavailable = "UNAVAILABLE"
	TooLarge    = "TOO_LARGE" // it can be taken in smaller pieces
)

// Refusal is why a wish was not granted.
type Refusal struct {
	code  string
	hint  string
	field []string
	fact  int // from 1: of a batch
	err   error
}

func (r *Refusal) Error() string   { return r.err.Error() }
func (r *Refusal) Unwrap() error   { return r.err }
func (r *Refusal) Code() string    { return r.code }
func (r *Refusal) Hint() string    { return r.hint }
func (r *Refusal) Field() []string { return r.field }

// Fact is which fact of a batch is at fault, from 0; -1: none.
func (r *Refusal) Fact() int { return r.fact - 1 }

func refuse(code, field, hint, format string, args ...any) error {
	r := &Refusal{code: code, hint: hint, err: fmt.Errorf(format, args...)}
	if field != "" {
		r.field = []string{field}
	}
	return r
}

// asRefusal keeps the hint of an error from a resolver, if it has one.
func asRefusal(field string, err error) error {
	r := &Refusal{code: Invalid, field: []string{field}, err: err}
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) {
		r.hint = hinted.Hint()
	}
	return r
}
