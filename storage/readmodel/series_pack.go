package readmodel

import (
	"encoding/binary"
	"math/bits"
)

// A column is at most 128 integers, packed as (all arithmetic wraps around):
//
//	byte 0: order, 0-2: the numbers themselves, their differences, or the differences of those; bit 2: there are outliers
//	byte 1: w, 0-64
//	varint least: what is taken off every number
//	n × w bits, the first in the lowest bits of the first byte: the low bits of each number less the least
//	outliers: byte how many less 1, then of each: byte place, uvarint the bits above w
//
// It is patched frame-of-reference coding (Zukowski et al., "Super-Scalar RAM-CPU Cache Compression", 2006) over
// deltas: noise costs its width, a straight line nothing, and a pause in the times only its own point.
const (
	outliersBit = 1 << 2
	maxOutliers = 32
)

// line is where a column comes from: the number before its first, and how that came out of the one before it.
type line struct{ at, step int64 }

// appendColumn packs numbers in the order of the three that takes the fewest bits.
func appendColumn(dst []byte, xs []int64, before line) []byte {
	var trial [3]packing
	best := &trial[0]
	for order := range byte(3) {
		k := &trial[order]
		k.measure(xs, before, order)
		if k.cost < best.cost {
			best = k
		}
	}
	return best.append(dst)
}

// packing is one way to pack a column, and its cost in bits.
type packing struct {
	order byte
	width int
	least int64
	n     int
	cost  int
	rest  [blockPoints]uint64 // the numbers less the least
}

// measure finds the width at which the bits of all numbers, outliers counted as what they take, are fewest.
func (k *packing) measure(xs []int64, before line, order byte) {
	k.order, k.n = order, len(xs)
	p, d := before.at, before.step
	for i, x := range xs {
		y := x
		switch order {
		case 1:
			y = x - p
		case 2:
			y = x - p - d
			d = x - p
		}
		p = x
		if i == 0 || y < k.least {
			k.least = y
		}
		k.rest[i] = uint64(y)
	}
	var of [65]uint8 // how many numbers have so many bits
	widest := 0
	for i := range xs {
		k.rest[i] -= uint64(k.least)
		n := bits.Len64(k.rest[i])
		of[n]++
		widest = max(widest, n)
	}
	// From the widest down: one bit less saves n bits and makes outliers of those that had it, 8 bits each and 8 for every 7 above.
	fixed := 8 * (bits.Len64(uint64(k.least<<1^k.least>>63))/7 + 1)
	k.width, k.cost = widest, k.n*widest+fixed
	for w, above := widest-1, 0; w >= 0; w-- {
		if above += int(of[w+1]); above > maxOutliers {
			break
		}
		cost := k.n*w + 8 + fixed
		for l := w + 1; l <= widest; l++ {
			cost += int(of[l]) * (8 + 8*((l-w+6)/7))
		}
		if cost < k.cost {
			k.cost, k.width = cost, w
		}
	}
}

func (k *packing) append(dst []byte) []byte {
	outliers := 0
	for _, u := range k.rest[:k.n] {
		if k.width < 64 && u>>k.width != 0 {
			outliers++
		}
	}
	head := k.order
	if outliers > 0 {
		head |= outliersBit
	}
	dst = append(dst, head, byte(k.width))
	dst = binary.AppendVarint(dst, k.least)
	dst = appendBits(dst, k.rest[:k.n], uint(k.width))
	if outliers == 0 {
		return dst
	}
	dst = append(dst, byte(outliers-1))
	for i, u := range k.rest[:k.n] {
		if high := u >> k.width; high != 0 {
			dst = append(dst, byte(i))
			dst = binary.AppendUvarint(dst, high)
		}
	}
	return dst
}

// appendBits writes the low w bits of each number, in whole bytes together.
func appendBits(dst []byte, us []uint64, w uint) []byte {
	if w == 0 {
		return dst
	}
	var acc uint64
	var have uint
	for _, u := range us {
		if w < 64 {
			u &= 1<<w - 1
		}
		acc |= u << have
		if have+w >= 64 {
			dst = binary.LittleEndian.AppendUint64(dst, acc)
			acc = u >> (64 - have) // all of it is gone when have is 0: shifts of 64 give 0
			have = have + w - 64
		} else {
			have += w
		}
	}
	for have > 0 {
		dst = append(dst, byte(acc))
		acc >>= 8
		have -= min(have, 8)
	}
	return dst
}

// cutColumn reads what appendColumn wrote of len(xs) numbers, at most 128, and returns what is behind it.
func cutColumn(b []byte, xs []int64, before line) ([]byte, bool) {
	if len(b) < 3 || b[0]&^outliersBit > 2 || b[1] > 64 {
		return nil, false
	}
	order, patched, w := b[0]&^outliersBit, b[0]&outliersBit != 0, uint(b[1])
	least, k := binary.Varint(b[2:])
	if k <= 0 {
		return nil, false
	}
	b = b[2+k:]
	size := (len(xs)*int(w) + 7) / 8
	if len(b) < size {
		return nil, false
	}
	unpack(b, xs, w, least)
	b = b[size:]
	if patched {
		var ok bool
		if b, ok = patch(b, xs, w); !ok {
			return nil, false
		}
	}
	switch order {
	case 1:
		for i, x := range xs {
			before.at += x
			xs[i] = before.at
		}
	case 2:
		for i, x := range xs {
			before.step += x
			before.at += before.step
			xs[i] = before.at
		}
	}
	return b, true
}

// unpack reads len(xs) numbers of w bits and adds the least to each. b may go on behind them.
func unpack(b []byte, xs []int64, w uint, least int64) {
	if w == 0 {
		for i := range xs {
			xs[i] = least
		}
		return
	}
	i, at := 0, uint(0)
	if w <= 57 { // a number lies within 8 bytes
		mask := uint64(1)<<w - 1
		if len(b) >= 8 {
			most := uint(len(b)-8) << 3
			for ; i < len(xs) && at <= most; i++ {
				u := binary.LittleEndian.Uint64(b[at>>3:])
				xs[i] = int64(u>>(at&7)&mask) + least
				at += w
			}
		}
	}
	for ; i < len(xs); i++ {
		xs[i] = int64(slowBits(b, at, w)) + least
		at += w
	}
}

// slowBits reads one number of w bits byte by byte: wide ones, and those at the end.
func slowBits(b []byte, at, w uint) uint64 {
	var u uint64
	for have := uint(0); have < w; {
		bit := (at + have) & 7
		take := min(8-bit, w-have)
		u |= uint64(b[(at+have)>>3]>>bit&(1<<take-1)) << have
		have += take
	}
	return u
}

// patch adds the high bits of outliers.
func patch(b []byte, xs []int64, w uint) ([]byte, bool) {
	if len(b) == 0 {
		return nil, false
	}
	n := int(b[0]) + 1
	b = b[1:]
	for range n {
		if len(b) < 2 || int(b[0]) >= len(xs) {
			return nil, false
		}
		at := b[0]
		high, k := binary.Uvarint(b[1:])
		if k <= 0 {
			return nil, false
		}
		xs[at] += int64(high << w)
		b = b[1+k:]
	}
	return b, true
}

// zeros is how many low bits are zero, at most 63.
func zeros(seen uint64) uint { return uint(min(bits.TrailingZeros64(seen), 63)) }
