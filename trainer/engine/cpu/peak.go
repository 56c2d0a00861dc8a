package cpu

import (
	"sync"
	"time"

	"millrace/trainer/engine"
)

// peaks remembers what was measured, for all kernels that share the threads.
type peaks struct {
	mu   sync.Mutex
	seen map[engine.Precision]float64
}

// peakTime is how long each thread is measured, in bursts that are short beside what a scheduler takes away.
const peakTime = 15 * time.Millisecond

// PeakFLOPS is the most operations a second (a multiply-add is two) that products of this precision do on these threads: the
// product's innermost loop on operands that stay in the first-level cache, on all threads at once, each by its fastest burst.
// Measured at the first call, in some 15 ms, and remembered.
func (k *fast) PeakFLOPS() float64 {
	p := &k.crew.peaks
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.seen[k.precision] == 0 {
		if p.seen == nil {
			p.seen = map[engine.Precision]float64{}
		}
		p.seen[k.precision] = k.measurePeak()
	}
	return p.seen[k.precision]
}

func (k *fast) measurePeak() float64 {
	best := make([]float64, k.crew.threads)
	each(k, len(best), best, func(k *fast, a *[]float64, _ *scratch, thread int) {
		best := *a
		burst := k.burst()
		for start := time.Now(); time.Since(start) < peakTime; {
			from := time.Now()
			operations := 2 * burst()
			best[thread] = max(best[thread], float64(operations)/time.Since(from).Seconds())
		}
	})
	sum := 0.0
	for _, b := range best {
		sum += b
	}
	return sum
}

// burst returns a function that runs the product's innermost loop for some microseconds on one thread, and returns how many
// multiply-adds that were.
func (k *fast) burst() func() (multiplyAdds int) {
	if k.precision == engine.BF16 {
		const depth = 16
		// A and B in one place, which fits the first-level cache as two would not.
		words, c := make([]uint32, depth*bfCell*k.bf16.breadth()), make([]float32, bfRest)
		return func() int {
			const repeats = 8
			for range repeats {
				k.bf16.tiles(c, bfSide, words, words, nil, 1, depth, depth, fromZero)
			}
			return repeats * depth * bfSide * bfSide * bfSide
		}
	}
	const steps = 4000
	a, b, c := make([]float32, steps), make([]float32, k.panel), make([]float32, k.tileRows*k.panel)
	return func() int {
		k.tile(c, k.panel, a, 0, 1, b, 0, nil, k.tileRows, k.panel, steps, false, nil, 0, nil)
		return steps * k.tileRows * k.panel
	}
}
