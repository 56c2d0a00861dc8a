package cpu_test

import (
	"strings"
	"testing"

	"go.uber.org/goleak"

	"millrace/trainer/engine"
	"millrace/trainer/engine/cpu"
	"millrace/trainer/engine/enginetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestReferenceKeepsTheContract(t *testing.T) {
	if testing.Short() {
		t.Skip("long arithmetic on one goroutine; run without -short")
	}
	enginetest.Run(t, cpu.Reference)
}

func TestEveryLevelKeepsTheContract(t *testing.T) {
	for _, level := range []string{"go", "avx2", "avx512", "amx"} {
		t.Run(level, func(t *testing.T) {
			onlyPlainInShort(t, level)
			t.Setenv("MILLRACE_KERNELS", level)
			open := func(threads int) engine.Kernels {
				k, err := cpu.Open(threads)
				if err != nil {
					t.Skip(err)
				}
				half, err := k.With(engine.BF16)
				if err != nil {
					t.Fatal(err)
				}
				vectors := strings.Replace(level, "amx", "avx512", 1) // tiles are for bfloat16 alone
				if got := k.Info(); got.Kernels != vectors || half.Info().Kernels != level || got.Threads != threads {
					t.Fatalf("MILLRACE_KERNELS=%s with %d threads opened %+v, and %+v in bfloat16", level, threads, got, half.Info())
				}
				return k
			}
			enginetest.Run(t, func() engine.Kernels { return open(2) })
			enginetest.SameForAnyThreads(t, open)
		})
	}
}

func TestAnUnknownLevelIsRefused(t *testing.T) {
	t.Setenv("MILLRACE_KERNELS", "abacus")
	if _, err := cpu.Open(1); err == nil || !strings.Contains(err.Error(), "MILLRACE_KERNELS") || !strings.Contains(err.Error(), "go") {
		t.Fatalf("error is %v, want the variable's name and what there is", err)
	}
}

func TestPeakIsMeasuredOnce(t *testing.T) {
	k, err := cpu.Open(2)
	if err != nil {
		t.Fatal(err)
	}
	half, err := k.With(engine.BF16)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []engine.Kernels{k, half} {
		measured := k.(interface{ PeakFLOPS() float64 })
		first := measured.PeakFLOPS()
		if again := measured.PeakFLOPS(); !(first > 0) || again != first {
			t.Fatalf("PeakFLOPS is %g, then %g", first, again)
		}
	}
}

// onlyPlainInShort skips assembly where the race detector runs: it sees nothing of it, and the tasks are cut the same on every level.
func onlyPlainInShort(t *testing.T, level string) {
	if testing.Short() && level != "go" {
		t.Skip("the same tasks as those of plain Go; run without -short")
	}
}
