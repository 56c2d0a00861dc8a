//go:build !linux

package cpu

// hasAMX: only Linux has been seen to let a program use tiles.
func hasAMX() bool { return false }
