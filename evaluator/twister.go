package evaluator

import (
	"math"
	"math/bits"
	"slices"
)

// twister is the Mersenne Twister MT19937 (Matsumoto and Nishimura 1998), seeded as Python's random.Random(seed) is, so that few-shot examples
// are drawn as lm-eval draws them.
type twister struct {
	state [624]uint32
	at    int
}

func newTwister(seed uint32) *twister {
	t := &twister{at: 624}
	s := &t.state
	s[0] = 19650218
	for i := 1; i < 624; i++ {
		s[i] = 1812433253*(s[i-1]^s[i-1]>>30) + uint32(i)
	}
	// init_by_array with the one key that Python makes of a seed below 2³².
	i := 1
	for range 624 {
		s[i] = (s[i] ^ (s[i-1]^s[i-1]>>30)*1664525) + seed
		if i++; i == 624 {
			s[0], i = s[623], 1
		}
	}
	for range 623 {
		s[i] = (s[i] ^ (s[i-1]^s[i-1]>>30)*1566083941) - uint32(i)
		if i++; i == 624 {
			s[0], i = s[623], 1
		}
	}
	s[0] = 1 << 31
	return t
}

func (t *twister) next() uint32 {
	if t.at == 624 {
		s := &t.state
		for i := range s {
			y := s[i]&(1<<31) | s[(i+1)%624]&(1<<31-1)
			v := s[(i+397)%624] ^ y>>1
			if y&1 == 1 {
				v ^= 0x9908b0df
			}
			s[i] = v
		}
		t.at = 0
	}
	y := t.state[t.at]
	t.at++
	y ^= y >> 11
	y ^= y << 7 & 0x9d2c5680
	y ^= y << 15 & 0xefc60000
	return y ^ y>>18
}

// below is a number from 0 to n-1, as Python's _randbelow draws it. 1 ≤ n < 2³².
func (t *twister) below(n int) int {
	k := bits.Len(uint(n))
	for {
		if r := int(t.next() >> (32 - k)); r < n {
			return r
		}
	}
}

// sample is which k of n Python's random.sample takes, in order. k ≤ n.
func (t *twister) sample(n, k int) []int {
	out := make([]int, k)
	small := 21
	if k > 5 {
		small += int(math.Pow(4, math.Ceil(math.Log(float64(k*3))/math.Log(4))))
	}
	if n > small {
		for i := range out {
			j := t.below(n)
			for slices.Contains(out[:i], j) {
				j = t.below(n)
			}
			out[i] = j
		}
		return out
	}
	pool := make([]int, n)
	for i := range pool {
		pool[i] = i
	}
	for i := range out {
		j := t.below(n - i)
		out[i], pool[j] = pool[j], pool[n-i-1]
	}
	return out
}
