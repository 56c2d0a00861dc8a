package cpu

import "runtime"

// processorName is the model as the system names it, or the architecture where it does not say.
func processorName() string {
	if name := systemProcessorName(); name != "" {
		return name
	}
	return runtime.GOARCH
}
