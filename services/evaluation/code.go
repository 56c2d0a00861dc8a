package evaluation

import (
	"context"
	"fmt"
	"time"

	"millrace/evaluator/sandbox"
)

// Code allows tasks that run what a model wrote (pass@K) on this worker. The zero value does not.
type Code struct {
	Run bool `yaml:"run"`
	// Weak allows it where the machine cannot keep programs from the network.
	Weak    bool          `yaml:"weak"`
	Python  string        `yaml:"python"`  // the interpreter; found when empty
	Timeout time.Duration `yaml:"timeout"` // of a program; 0: 10 s
	Memory  int64         `yaml:"memory"`  // bytes of a program; 0: 1 GiB
}

// box opens the sandbox, if code may run here. A machine that cannot do what it was told is an error at the start.
func (s *Service) box(ctx context.Context) error {
	if !s.RunCode.Run {
		return nil
	}
	b, err := sandbox.Open(ctx, sandbox.Config{Limits: sandbox.Limits{Time: s.RunCode.Timeout, Memory: s.RunCode.Memory}, Python: s.RunCode.Python, Weak: s.RunCode.Weak})
	if err != nil {
		return fmt.Errorf("evaluation: code.run: %w", err)
	}
	s.sandbox = b
	s.Log.Warn("code that models write is run here", "kept", b.Isolation())
	return nil
}
