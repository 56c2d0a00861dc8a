//go:build !amd64

package cpu

// levels lists what this processor can run: here, plain Go.
func levels() []level { return []level{goLevel()} }
