//go:build !linux && !darwin

package cpu

// systemProcessorName knows no name on this system.
func systemProcessorName() string { return "" }
