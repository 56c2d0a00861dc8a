package evaluator

import (
	"context"
	"errors"

	"millrace/evaluator/read"
)

// canRun tells whether a task that runs code may.
func (w *work) canRun(t Task, m *marks) error {
	if len(m.pass) == 0 {
		return nil
	}
	return fail(CodeSandbox, errors.New("this task runs code that a model wrote, which this node does not"))
}

// run counts how many answers pass an example's tests.
func (w *work) run(context.Context, read.Example, []string) (int, error) { return 0, nil }
