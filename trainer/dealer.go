package trainer

import (
	"fmt"

	"millrace/trainer/data"
	"millrace/trainer/random"
)

// dealer tells which example each sample is: a function of its number.
type dealer struct {
	order string
	n     uint64
	key   uint64
	drops uint64 // of what dropout drops in the micro-batch that begins with a sample
}

// newDealer deals n examples; those held out in their order.
func newDealer(c Config, n int, train bool) (dealer, error) {
	if n == 0 {
		return dealer{}, fmt.Errorf("there are none to learn from")
	}
	d := dealer{order: c.Data.Order, n: uint64(n), key: random.Key(c.Seed, "examples"), drops: random.Key(c.Seed, "dropout")}
	if !train {
		d.order = data.Sequential
	}
	return d, nil
}

func (d dealer) at(i int64) int {
	switch d.order {
	case data.Random:
		return int(random.Below(d.key, uint64(i), d.n))
	case data.Sequential:
		return int(uint64(i) % d.n)
	}
	epoch := uint64(i) / d.n
	return int(random.Permute(random.Mix(d.key, epoch), uint64(i)%d.n, d.n))
}

// roundLength is how long the rows of a program are that holds texts of up to n tokens.
func roundLength(n, context int) int { return min((max(n, 1)+15)/16*16, context) }
