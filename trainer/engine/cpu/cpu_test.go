package cpu_test

import (
	"testing"

	"millrace/trainer/engine"
	"millrace/trainer/engine/cpu"
	"millrace/trainer/engine/enginetest"
)

func TestReferenceKeepsTheContract(t *testing.T) {
	enginetest.Run(t, cpu.Reference)
	enginetest.SameForAnyThreads(t, func(int) engine.Kernels { return cpu.Reference() })
}
