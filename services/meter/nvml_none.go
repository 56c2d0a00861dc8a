//go:build !linux || !(amd64 || arm64) || static

package meter

import (
	"fmt"

	"millrace/event"
)

// nvml is not part of this build.
type nvml struct{}

// openNVML has nothing to open: errNoDriver.
func openNVML(string) (*nvml, error) {
	return nil, fmt.Errorf("%w for this build of the program", errNoDriver)
}

func (*nvml) sample(map[int]bool) ([]event.GPUUsage, []error) { return nil, nil }

func (*nvml) close() error { return nil }
