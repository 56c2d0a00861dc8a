//go:build !linux

package cpu

// preferHugePages does nothing where the system chooses page sizes itself.
func preferHugePages([]float32) {}
