package trainer

import (
	"errors"

	"millrace/trainer/data"
	"millrace/trainer/model"
)

// heldOut computes the loss on the same windows of the held-out text every time.
type heldOut struct {
	windows *data.Sampler
	batch   *model.Batch
	b, t    int
	count   int64 // windows used, spread evenly over the text
	targets int64 // of them, that count
}

func newHeldOut(c Config, m *model.Model, text data.Tokens) (*heldOut, error) {
	w, err := data.NewSampler(text, c.Model.Context, data.Sequential, 0)
	if err != nil {
		return nil, err
	}
	h := &heldOut{windows: w, b: c.BatchSize, t: c.Model.Context}
	h.count = min(w.Windows(), int64(c.EvalBatches)*int64(c.BatchSize))
	for i := range h.count {
		n, err := w.Counted(h.window(i))
		if err != nil {
			return nil, err
		}
		h.targets += n
	}
	if h.targets == 0 {
		return nil, errors.New("no token of it counts in the loss: a larger held_out or eval_batches helps")
	}
	h.batch, err = m.Evaluation(h.b, h.t)
	return h, err
}

// window is the i-th of the windows used.
func (h *heldOut) window(i int64) int64 { return i * h.windows.Windows() / h.count }

// loss is the mean over all targets of the windows that count, in nats.
func (h *heldOut) loss() (float64, error) {
	sum := 0.0
	for first := int64(0); first < h.count; first += int64(h.b) {
		for row := range h.b {
			ids, targets := h.batch.IDs[row*h.t:(row+1)*h.t], h.batch.Targets[row*h.t:(row+1)*h.t]
			i := first + int64(row)
			if i >= h.count { // the last batch may not be full
				clear(ids)
				for p := range targets {
					targets[p] = -1
				}
				continue
			}
			if err := h.windows.Sample(ids, targets, h.window(i)); err != nil {
				return 0, err
			}
		}
		l, err := h.batch.Run(0)
		if err != nil {
			return 0, err
		}
		sum += l
	}
	return sum / float64(h.targets), nil
}
