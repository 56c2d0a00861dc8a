package data

import (
	"encoding/binary"
	"fmt"
	"math"
	"sort"
)

// Tokens is a sequence of token ids that can be read anywhere.
type Tokens interface {
	// Len is the number of tokens.
	Len() int64
	// Read fills dst with the tokens from at on. It fails if they are not all there.
	Read(dst []int32, at int64) error
}

// IDs is a sequence in memory.
type IDs []int32

// Len is the number of tokens.
func (s IDs) Len() int64 { return int64(len(s)) }

// Read fills dst with the tokens from at on.
func (s IDs) Read(dst []int32, at int64) error {
	if err := within(at, len(dst), s.Len()); err != nil {
		return err
	}
	copy(dst, s[at:])
	return nil
}

// Bytes is a shard as it is stored: little-endian tokens of dtype "uint16" or "uint32", without header. b is kept, not
// copied; it may be memory-mapped.
func Bytes(b []byte, dtype string) (Tokens, error) {
	width := map[string]int{"uint16": 2, "uint32": 4}[dtype]
	if width == 0 {
		return nil, fmt.Errorf(`data: a shard of dtype %q cannot be read; "uint16" and "uint32" can`, dtype)
	}
	if len(b)%width != 0 {
		return nil, fmt.Errorf("data: a shard of %d bytes does not hold whole %s tokens", len(b), dtype)
	}
	if width == 2 {
		return shard16(b), nil
	}
	return shard32(b), nil
}

type shard16 []byte

func (s shard16) Len() int64 { return int64(len(s) / 2) }

func (s shard16) Read(dst []int32, at int64) error {
	if err := within(at, len(dst), s.Len()); err != nil {
		return err
	}
	for i, b := 0, s[2*at:]; i < len(dst); i++ {
		dst[i] = int32(binary.LittleEndian.Uint16(b[2*i:]))
	}
	return nil
}

type shard32 []byte

func (s shard32) Len() int64 { return int64(len(s) / 4) }

func (s shard32) Read(dst []int32, at int64) error {
	if err := within(at, len(dst), s.Len()); err != nil {
		return err
	}
	for i, b := 0, s[4*at:]; i < len(dst); i++ {
		id := binary.LittleEndian.Uint32(b[4*i:])
		if id > math.MaxInt32 {
			return fmt.Errorf("data: token %d at %d is not an id", id, at+int64(i))
		}
		dst[i] = int32(id)
	}
	return nil
}

// Concat joins shards in their order. A read may span several. It is Masked if one of them is.
func Concat(shards ...Tokens) Tokens {
	if len(shards) == 1 {
		return shards[0]
	}
	j := joined{shards: shards, ends: make([]int64, len(shards))}
	end := int64(0)
	for i, s := range shards {
		end += s.Len()
		j.ends[i] = end
	}
	for _, s := range shards {
		if _, ok := s.(Masked); ok {
			return maskedJoin{j}
		}
	}
	return j
}

type joined struct {
	shards []Tokens
	ends   []int64
}

func (j joined) Len() int64 {
	if len(j.ends) == 0 {
		return 0
	}
	return j.ends[len(j.ends)-1]
}

func (j joined) Read(dst []int32, at int64) error {
	return j.each(len(dst), at, func(shard Tokens, from, n int, at int64) error {
		return shard.Read(dst[from:from+n], at)
	})
}

// each calls do with the shards that have the n tokens from at on: which of the n they are, and where in the shard.
func (j joined) each(n int, at int64, do func(shard Tokens, from, n int, at int64) error) error {
	if err := within(at, n, j.Len()); err != nil {
		return err
	}
	for i, from := sort.Search(len(j.ends), func(i int) bool { return j.ends[i] > at }), 0; from < n; i++ {
		here := int(min(int64(n-from), j.ends[i]-at))
		if here == 0 { // an empty shard
			continue
		}
		if err := do(j.shards[i], from, here, at-(j.ends[i]-j.shards[i].Len())); err != nil {
			return fmt.Errorf("shard %d: %w", i, err)
		}
		from, at = from+here, at+int64(here)
	}
	return nil
}

func within(at int64, n int, size int64) error {
	if at < 0 || at > size || int64(n) > size-at {
		return fmt.Errorf("data: %d tokens from %d are not within %d", n, at, size)
	}
	return nil
}
