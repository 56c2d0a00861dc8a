package trainer

import "fmt"

// Keep says which of a training's checkpoints storage keeps; the trainer saves them all. What none of its words keeps may go, while the
// training is running too, but for the latest. The zero Keep leaves it to the retention policies.
type Keep struct {
	Best  int   `json:"best,omitempty"`  // so many by the experiment's objective, or with the lowest val/loss
	Every int64 `json:"every,omitempty"` // those of every so many steps
	Last  int   `json:"last,omitempty"`  // so many; the latest always stays
}

func (k Keep) validate() error {
	for _, f := range []struct {
		key   string
		value int64
	}{{"best", int64(k.Best)}, {"every", k.Every}, {"last", int64(k.Last)}} {
		if f.value < 0 || f.value > maxSteps {
			return fmt.Errorf("keep.%s: %d is not between 0 (none by this word) and %d", f.key, f.value, int64(maxSteps))
		}
	}
	return nil
}
