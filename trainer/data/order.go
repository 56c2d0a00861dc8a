package data

import (
	"fmt"

	"millrace/trainer/random"
)

// Sampler deals windows of t+1 tokens: t inputs and, one later, their targets.
type Sampler struct {
	tokens  Tokens
	order   string
	t       int
	windows uint64
	key     uint64
	buf     []int32
	masked  Masked // nil when every target counts
	counts  []bool
}

// Orders of samples.
const (
	// Epoch cuts the text into consecutive windows and shows every one once, in an order shuffled anew for each epoch.
	Epoch = "epoch"
	// Random starts each window anywhere, independently, as nanoGPT does.
	Random = "random"
	// Sequential shows consecutive windows in the order of the text, for evaluation.
	Sequential = "sequential"
)

// NewSampler deals windows of t inputs from tokens.
func NewSampler(tokens Tokens, t int, order string, seed uint64) (*Sampler, error) {
	n := tokens.Len()
	if n < int64(t)+1 {
		return nil, fmt.Errorf("data: %d tokens are fewer than one window of %d and its target; use a shorter context or more data", n, t)
	}
	s := &Sampler{tokens: tokens, order: order, t: t, key: random.Key(seed, "data"), buf: make([]int32, t+1)}
	if m, ok := tokens.(Masked); ok {
		s.masked, s.counts = m, make([]bool, t)
	}
	switch order {
	case Epoch, Sequential:
		s.windows = uint64((n - 1) / int64(t))
	case Random:
		s.windows = uint64(n - int64(t))
	default:
		return nil, fmt.Errorf(`data.order: %q is not known; use "epoch" or "random"`, order)
	}
	return s, nil
}

// Windows is the number of different windows.
func (s *Sampler) Windows() int64 { return int64(s.windows) }

// Masked tells whether some targets may not count.
func (s *Sampler) Masked() bool { return s.masked != nil }

// Counted is how many targets of sample number i count.
func (s *Sampler) Counted(i int64) (int64, error) {
	if s.masked == nil {
		return int64(s.t), nil
	}
	if err := s.masked.Counts(s.counts, s.start(uint64(i))+1); err != nil {
		return 0, err
	}
	n := int64(0)
	for _, on := range s.counts {
		if on {
			n++
		}
	}
	return n, nil
}

// Sample fills ids and targets (t each) with sample number i, counted from 0 over the whole of training. A target that does not
// count is -1. The same i is the same window for ever. A Sampler is used by one goroutine at a time.
func (s *Sampler) Sample(ids, targets []int32, i int64) error {
	if err := s.tokens.Read(s.buf, s.start(uint64(i))); err != nil {
		return err
	}
	copy(ids, s.buf[:s.t])
	copy(targets, s.buf[1:])
	if s.masked == nil {
		return nil
	}
	if _, err := s.Counted(i); err != nil {
		return err
	}
	for p, on := range s.counts {
		if !on {
			targets[p] = -1
		}
	}
	return nil
}

func (s *Sampler) start(i uint64) int64 {
	switch s.order {
	case Random:
		return int64(random.Below(s.key, i, s.windows))
	case Sequential:
		return int64(i%s.windows) * int64(s.t)
	}
	epoch := i / s.windows
	return int64(random.Permute(random.Mix(s.key, epoch), i%s.windows, s.windows)) * int64(s.t)
}
