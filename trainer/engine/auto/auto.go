// Package auto opens the arithmetic that a run asks for by name. It is the one place that knows which engines this
// binary was built with.
package auto

import (
	"fmt"

	"millrace/trainer/engine"
	"millrace/trainer/engine/cpu"
)

// Open returns the named kernels: "auto" (or "") is the fastest device this binary can drive, "cpu" the processor,
// "cpu-reference" the slow oracle. threads below 1 means as many as Go may use; the reference has one whatever is asked.
func Open(name string, threads int) (engine.Kernels, error) {
	switch name {
	case "", "auto", "cpu":
		return cpu.Open(threads)
	case "cpu-reference":
		return cpu.Reference(), nil
	case "cuda":
		return nil, fmt.Errorf("engine %q: this binary was built without CUDA; use \"auto\" or \"cpu\"", name)
	default:
		return nil, fmt.Errorf("engine %q is unknown; use \"auto\", \"cpu\" or \"cpu-reference\"", name)
	}
}
