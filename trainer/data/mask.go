package data

import "fmt"

// Masked is a sequence of which some tokens do not count in the loss, as a user's words in a conversation.
type Masked interface {
	Tokens
	// Counts fills dst with whether the tokens from at on count when they are to be predicted. It fails if they are not all there.
	Counts(dst []bool, at int64) error
}

// WithMask is tokens with a shard's mask: a bit a token, the first in the lowest bit of the first byte; 1 counts. mask is kept, not
// copied.
func WithMask(tokens Tokens, mask []byte) (Masked, error) {
	if want := (tokens.Len() + 7) / 8; int64(len(mask)) != want {
		return nil, fmt.Errorf("data: a mask of %d bytes for %d tokens: want %d", len(mask), tokens.Len(), want)
	}
	return masked{tokens, mask}, nil
}

type masked struct {
	Tokens
	mask []byte
}

func (s masked) Counts(dst []bool, at int64) error {
	if err := within(at, len(dst), s.Len()); err != nil {
		return err
	}
	for i := range dst {
		j := at + int64(i)
		dst[i] = s.mask[j/8]>>(j%8)&1 == 1
	}
	return nil
}

// maskedJoin is joined, of which some shards have masks.
type maskedJoin struct{ joined }

func (j maskedJoin) Counts(dst []bool, at int64) error {
	return j.each(len(dst), at, func(shard Tokens, from, n int, at int64) error {
		return counts(shard, dst[from:from+n], at)
	})
}

// counts is Counts of any tokens: without a mask all count.
func counts(tokens Tokens, dst []bool, at int64) error {
	if m, ok := tokens.(Masked); ok {
		return m.Counts(dst, at)
	}
	for i := range dst {
		dst[i] = true
	}
	return nil
}
