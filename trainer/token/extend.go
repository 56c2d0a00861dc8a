package token

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
)

// Extend is t with special tokens behind its last id, in the order given; names that it has are left as they are. Every id of t
// stays what it was, so that a model of t's vocabulary needs more rows only. It returns ErrInvalid for a tokenizer that cannot
// have special tokens, and for an empty name.
func Extend(t Tokenizer, names []string) (Tokenizer, error) {
	var missing []string
	for _, name := range names {
		has := slices.ContainsFunc(t.Special(), func(s Special) bool { return s.Name == name }) || slices.Contains(missing, name)
		if !has {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return t, nil
	}
	b, ok := t.(*BPE)
	if !ok {
		return nil, fmt.Errorf("%w: a tokenizer of kind %s cannot have the special token %s: only bpe can", ErrInvalid, t.Kind(), missing[0])
	}
	parts := b.parts
	parts.special = maps.Clone(parts.special)
	parts.tokens = slices.Clone(parts.tokens)
	for _, name := range missing {
		if name == "" || len(name) > maxSpecialBytes {
			return nil, fmt.Errorf("%w: a special token of %d bytes: want 1 to %d", ErrInvalid, len(name), maxSpecialBytes)
		}
		if len(parts.tokens) >= MaxVocabSize {
			return nil, fmt.Errorf("%w: no room for %s behind %d ids", ErrInvalid, name, len(parts.tokens))
		}
		parts.special[int32(len(parts.tokens))] = name
		parts.tokens = append(parts.tokens, nil)
	}
	return newBPE(parts)
}

// maxSpecialBytes bounds the name of a special token.
const maxSpecialBytes = 256

// Extends tells whether t is old, or old with special tokens behind its last id: whether every id of old means the same in t.
func Extends(t, old Tokenizer) bool {
	if bytes.Equal(t.JSON(), old.JSON()) {
		return true
	}
	var more []string
	for _, s := range t.Special() {
		if int(s.ID) >= old.VocabSize() {
			more = append(more, s.Name)
		}
	}
	if len(more) == 0 || t.VocabSize() != old.VocabSize()+len(more) {
		return false
	}
	grown, err := Extend(old, more)
	return err == nil && bytes.Equal(grown.JSON(), t.JSON())
}
