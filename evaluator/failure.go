package evaluator

import (
	"context"
	"errors"
)

// Failure is a task that could not be asked or scored. The others of its suite are.
type Failure struct {
	Task    string `json:"task"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

// The codes of failures.
const (
	CodeNoHeldOut = "no_held_out"  // the dataset has no held-out text
	CodeNoData    = "no_data"      // the source is not pinned, or its bytes are nowhere
	CodeData      = "bad_data"     // the source is not of its form
	CodeTemplate  = "bad_template" // the template does not parse, or asks for a field that the examples do not have
	CodeSandbox   = "sandbox_off"  // the task runs code, and this node does not
	CodeUnable    = "unable"       // the model cannot do what the task asks
)

// fault is a failure on its way up.
type fault struct {
	code string
	err  error
}

func (f *fault) Error() string { return f.err.Error() }
func (f *fault) Unwrap() error { return f.err }

// fail marks an error as one that fails its task alone.
func fail(code string, err error) error { return &fault{code, err} }

// failed turns an error of a task into a failure, if it is one; whatever else went wrong ends the evaluation.
func failed(ctx context.Context, t Task, err error) (Failure, bool) {
	var f *fault
	if ctx.Err() != nil || !errors.As(err, &f) {
		return Failure{}, false
	}
	return Failure{Task: t.Name, Code: f.code, Message: f.err.Error()}, true
}
