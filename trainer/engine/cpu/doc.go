// Package cpu is the processor's arithmetic: engine.Kernels over ordinary memory.
//
// [Reference] is the oracle: plain loops, one thread, sums in float64, written to be read beside the formulas. [Open] is the
// fast one: the same driving code (product.go, attention.go, fast.go) over one of three levels of primitives, AVX-512, AVX2
// with FMA, or plain Go, chosen by what the processor has. The assembly is written by internal/asmgen; vector_go.go says
// what each primitive means. All of them keep the contract that package enginetest checks. Products of bfloat16 (bf16.go) run on
// AMX's tiles where there are some.
//
// Caveats. A slice of the wrong length is a programming error and panics with the operation's name, because nothing below
// this package checks bounds again. Results are the same to the bit for any number of threads, but not between levels: a
// fused multiply-add rounds once where plain Go rounds twice. Products of bfloat16 alone are the same on every level.
// Info().Kernels names the level for the run's record.
package cpu
