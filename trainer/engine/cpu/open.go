package cpu

import (
	"runtime"

	"millrace/trainer/engine"
)

// Open returns the fastest kernels this processor has, working on the given number of threads; below 1 means as many as Go
// may use (GOMAXPROCS). The environment's MILLRACE_KERNELS (go, avx2, avx512 or amx) forces a level; one that this processor
// lacks is an error. The kernels may be used by several goroutines at once and need not be closed.
func Open(threads int) (engine.Kernels, error) {
	chosen, err := chooseLevel()
	if err != nil {
		return nil, err
	}
	return newFast(chosen, threads), nil
}

func newFast(l level, threads int) *fast {
	if threads < 1 {
		threads = runtime.GOMAXPROCS(0)
	}
	return &fast{level: l, crew: newCrew(threads), name: processorName(), precision: engine.F32}
}
