package dedup

// mersenneTwister is MT19937 (Matsumoto and Nishimura 1998), numpy's RandomState: the numbers of a seed must be the same
// there and here.
type mersenneTwister struct {
	state [624]uint32
	next  int
}

// newMersenneTwister is numpy.random.RandomState(seed).
func newMersenneTwister(seed uint32) *mersenneTwister {
	m := &mersenneTwister{next: 624}
	for i := range m.state {
		m.state[i] = seed
		seed = 1812433253*(seed^seed>>30) + uint32(i) + 1
	}
	return m
}

func (m *mersenneTwister) uint32() uint32 {
	if m.next == len(m.state) {
		for i := range m.state {
			y := m.state[i]&0x80000000 | m.state[(i+1)%624]&0x7fffffff
			m.state[i] = m.state[(i+397)%624] ^ y>>1 ^ y&1*0x9908b0df
		}
		m.next = 0
	}
	y := m.state[m.next]
	m.next++
	y ^= y >> 11
	y ^= y << 7 & 0x9d2c5680
	y ^= y << 15 & 0xefc60000
	return y ^ y>>18
}

// between is numpy's randint(low, high, dtype=uint64) for high-low above 2³²: 64 bits, the first 32 the upper ones, masked,
// until they are in range.
func (m *mersenneTwister) between(low, high uint64) uint64 {
	span := high - 1 - low
	mask := span
	for shift := 1; shift < 64; shift *= 2 {
		mask |= mask >> shift
	}
	for {
		upper := uint64(m.uint32())
		if v := (upper<<32 | uint64(m.uint32())) & mask; v <= span {
			return low + v
		}
	}
}
