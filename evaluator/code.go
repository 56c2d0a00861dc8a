package evaluator

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"millrace/evaluator/read"
	"millrace/evaluator/sandbox"
)

// canRun tells whether a task that runs code may.
func (w *work) canRun(m *marks) error {
	if len(m.pass) > 0 && w.Sandbox == nil {
		return fail(CodeSandbox, errors.New("this task runs code that a model wrote, which this node does not: see its configuration"))
	}
	return nil
}

// run counts how many answers pass an example's tests: the program ends well, having come to its last line.
func (w *work) run(ctx context.Context, e read.Example, answers []string) (int, error) {
	p := e.Program
	if p == nil {
		return 0, fail(CodeData, fmt.Errorf("example %s has no test to run", e.ID))
	}
	passed := 0
	for _, a := range answers {
		end := rand.Text() // an exit in the middle does not say it
		out, err := w.Sandbox.Run(ctx, p.Language, p.Head+a+p.Tail+"\nprint(\"\\n"+end+"\")\n")
		switch {
		case ctx.Err() != nil:
			return 0, ctx.Err()
		case errors.Is(err, sandbox.ErrLanguage):
			return 0, fail(CodeData, fmt.Errorf("example %s: %w", e.ID, err))
		case err != nil:
			return 0, fail(CodeSandbox, err)
		}
		if out.Exit == 0 && strings.HasSuffix(out.Output, "\n"+end+"\n") {
			passed++
		}
	}
	return passed, nil
}
