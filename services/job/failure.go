package job

import (
	"context"
	"errors"
	"fmt"

	"millrace/event"
)

// Failed is an error whose code and hint go into the run's record.
type Failed struct {
	Code string // stable, for programs: "bad_config", "nan_loss", …
	Hint string // what to do, for people
	// Passing says that trying again may help: only when it comes again and again is it the run's end.
	Passing bool
	// Tries is how often a passing fault may come before it is the run's end; 0 is 5.
	Tries int
	// Unwanted says that nobody wants any more what the run was for: it ends as stopped.
	Unwanted bool
	Err      error
}

func (f *Failed) Error() string { return f.Err.Error() }
func (f *Failed) Unwrap() error { return f.Err }

// Fail marks an error as final: the run has failed, and trying again would not help.
func Fail(code, hint string, err error) error { return &Failed{Code: code, Hint: hint, Err: err} }

// Failf is Fail with a message made here.
func Failf(code, hint, format string, args ...any) error {
	return Fail(code, hint, fmt.Errorf(format, args...))
}

// GiveWay marks the end of a run that nobody wants any more: it is stopped, and the record says why.
func GiveWay(code string, err error) error { return &Failed{Code: code, Err: err, Unwanted: true} }

// Retry marks an error that may pass: the run is tried again, a few times.
func Retry(code, hint string, err error) error {
	return &Failed{Code: code, Hint: hint, Err: err, Passing: true}
}

// ErrStopRequested is the cause of a job's context when a person or a rule asked the run to stop.
var ErrStopRequested = errors.New("the run was asked to stop")

// failureOf describes an error for the record.
func failureOf(err error) *event.Failure {
	f := &event.Failure{Code: "internal", Message: err.Error()}
	var marked *Failed
	if errors.As(err, &marked) {
		f.Code, f.Hint = marked.Code, marked.Hint
	}
	return f
}

// interrupted tells whether the job ended because the worker is going away, not because of anything in the run.
func interrupted(ctx context.Context, err error) bool {
	return err != nil && ctx.Err() != nil && !errors.Is(context.Cause(ctx), ErrStopRequested)
}

// again tells whether an error that this worker has met so often before is worth another try: a marked one says so itself, any other is, unless
// it is only how a stop ends.
func again(err error, stop bool, before int) bool {
	tries := maxFaults
	var marked *Failed
	if errors.As(err, &marked) {
		if marked.Tries > 0 {
			tries = marked.Tries
		}
		return marked.Passing && before+1 < tries
	}
	return err != nil && !stop && before+1 < tries
}
