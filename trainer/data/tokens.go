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

// Concat joins shards in their order. A read may span several.
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
	if err := within(at, len(dst), j.Len()); err != nil {
		return err
	}
	for i := sort.Search(len(j.ends), func(i int) bool { return j.ends[i] > at }); len(dst) > 0; i++ {
		n := min(int64(len(dst)), j.ends[i]-at)
		if n == 0 { // an empty shard
			continue
		}
		if err := j.shards[i].Read(dst[:n], at-(j.ends[i]-j.shards[i].Len())); err != nil {
			return fmt.Errorf("shard %d: %w", i, err)
		}
		dst, at = dst[n:], at+n
	}
	return nil
}

func within(at int64, n int, size int64) error {
	if at < 0 || at > size || int64(n) > size-at {
		return fmt.Errorf("data: %d tokens from %d are not within %d", n, at, size)
	}
	return nil
}
