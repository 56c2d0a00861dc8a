package trainer

import "millrace/trainer/engine"

// kernels are those of a device whose products are computed in the configured precision.
func (c Config) kernels(k engine.Kernels) (engine.Kernels, error) { return k, nil }
