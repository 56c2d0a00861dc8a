package trainer

import (
	"fmt"

	"millrace/trainer/engine"
)

// kernels are those of a device whose products are computed in the configured precision. Weights, moments, sums and updates stay float32.
func (c Config) kernels(k engine.Kernels) (engine.Kernels, error) {
	if c.Precision == "" {
		return k, nil
	}
	products, err := k.With(engine.Precision(c.Precision))
	if err != nil {
		return nil, fmt.Errorf("trainer: precision: %w", err)
	}
	return products, nil
}

// lossScale multiplies the loss so that small gradients do not vanish in half precision, and gives way when large ones overflow
// (Micikevicius et al. 2018, section 3.2, dynamic). It is part of a checkpoint.
type lossScale struct {
	Scale float64 `json:"scale"`
	Good  int     `json:"good"` // steps without an overflow since it last changed
}

const (
	firstScale = 1 << 16
	growAfter  = 2000 // steps
	mostScale  = 1 << 24
)

// newLossScale is nil for a precision that has float32's range.
func newLossScale(c Config) *lossScale {
	if engine.Precision(c.Precision) != engine.FP16 {
		return nil
	}
	return &lossScale{Scale: firstScale}
}

// factor is what the loss is multiplied by.
func (s *lossScale) factor() float64 {
	if s == nil {
		return 1
	}
	return s.Scale
}

// overflowed tells whether a step's gradient must be left out, and moves the scale. A loss that is no number itself, or a scale that is as low
// as it goes, is no overflow.
func (s *lossScale) overflowed(loss, norm float64) bool {
	if s == nil || !finite(loss) {
		return false
	}
	if finite(norm) {
		if s.Good++; s.Good >= growAfter && s.Scale < mostScale {
			s.Scale, s.Good = 2*s.Scale, 0
		}
		return false
	}
	if s.Scale <= 1 {
		return false
	}
	s.Scale, s.Good = s.Scale/2, 0
	return true
}

func (s *lossScale) valid() error {
	if s != nil && !(s.Scale >= 1 && s.Scale <= mostScale && s.Good >= 0) {
		return fmt.Errorf("loss_scale: %g after %d steps is not one", s.Scale, s.Good)
	}
	return nil
}
