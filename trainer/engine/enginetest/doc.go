// Package enginetest is the contract of engine.Kernels as code: an implementation is right when Run and SameForAnyThreads
// cannot tell it from the definitions in float64 that this package holds (and proves, by central differences, to be each
// other's gradients).
//
// It reaches device memory through Alloc, Upload and Download alone, so it fits a device whose memory the host may not read.
package enginetest
