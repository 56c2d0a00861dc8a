package trainer

import "errors"

// heldOut computes the loss on the same samples of the held-out text every time.
type heldOut struct {
	objective objective
	b         int64 // rows of a batch
	count     int64 // samples used, spread evenly over the text
	targets   int64 // of them, that count
}

func newHeldOut(c Config, o objective) (*heldOut, error) {
	h := &heldOut{objective: o, b: int64(c.BatchSize)}
	h.count = min(o.samples(), int64(c.EvalBatches)*int64(c.BatchSize))
	for i := range h.count {
		n, err := o.counted(h.sample(i))
		if err != nil {
			return nil, err
		}
		h.targets += n
	}
	if h.targets == 0 {
		return nil, errors.New("no token of it counts in the loss: a larger held_out or eval_batches helps")
	}
	return h, nil
}

// sample is the i-th of the samples used.
func (h *heldOut) sample(i int64) int64 { return i * h.objective.samples() / h.count }

// loss is the mean over all targets of the samples that count, in nats.
func (h *heldOut) loss() (float64, error) {
	sum := 0.0
	for first := int64(0); first < h.count; first += h.b {
		for row := range h.b {
			if first+row >= h.count { // the last batch may not be full
				h.objective.clear(int(row))
				continue
			}
			if err := h.objective.fill(int(row), h.sample(first+row)); err != nil {
				return 0, err
			}
		}
		l, err := h.objective.run(0)
		if err != nil {
			return 0, err
		}
		sum += l
	}
	return sum / float64(h.targets), nil
}
