package token

import (
	"fmt"
	"slices"
)

// BPE is byte-level byte-pair encoding: text is cut by a Pattern, each piece starts as its bytes, and the adjacent pair with
// the lowest rank is merged (the leftmost first) until no pair has one.
type BPE struct {
	parts     bpeParts
	level     *byteLevel
	scan      func(string) int
	ids       map[string]int32 // token → id, special ones left out
	endOfText int32
	byteIDs   [256]int32
	pairs     pairTable
	words     wordTable // of the ids that their bytes give
	encoders  freeList
}

// bpeParts is what a vocabulary consists of, as files say it.
type bpeParts struct {
	pattern Pattern
	tokens  [][]byte // bytes of each id; nil for special ones and for ids that stand for nothing
	special map[int32]string
	merges  [][2]int32 // by rank
	// whole takes a piece that is a token as it is, even if merges would not make it (tiktoken; Hugging Face's
	// ignore_merges).
	whole bool
	// byToken gives all pairs that make the same token the same rank, its id, as tiktoken does. Otherwise each has its
	// own.
	byToken bool
}

// endNames are the names that a vocabulary's end of text goes by, the first that is there counts.
func endNames() []string { return []string{EndOfText, "<|end_of_text|>", "</s>"} }

// newBPE checks and indexes a vocabulary. Every byte must be a token, every merge must give one, and an end of text must be
// among the special ones.
func newBPE(parts bpeParts) (*BPE, error) {
	t := &BPE{parts: parts, level: newByteLevel(), scan: parts.pattern.scanner(), endOfText: -1,
		ids: make(map[string]int32, len(parts.tokens)), pairs: newPairTable(len(parts.merges))}
	named := make(map[string]int32, len(parts.special))
	for id, name := range parts.special {
		named[name] = id
	}
	for _, name := range endNames() {
		if id, ok := named[name]; ok {
			t.endOfText = id
			break
		}
	}
	if t.endOfText < 0 {
		return nil, fmt.Errorf("%w: no special token %s, which this program needs to separate documents", ErrInvalid, EndOfText)
	}
	for id, b := range parts.tokens {
		id := int32(id)
		if len(b) == 0 {
			continue
		}
		if other, ok := t.ids[string(b)]; ok {
			return nil, fmt.Errorf("%w: ids %d and %d are both %q", ErrInvalid, other, id, b)
		}
		t.ids[string(b)] = id
	}
	for b := range t.byteIDs {
		id, ok := t.ids[string([]byte{byte(b)})]
		if !ok {
			return nil, fmt.Errorf("%w: byte %#02x is no token: not a byte-level vocabulary", ErrInvalid, b)
		}
		t.byteIDs[b] = id
	}
	if len(parts.merges) >= noRank {
		return nil, fmt.Errorf("%w: %d merges, the limit is %d", ErrInvalid, len(parts.merges), noRank-1)
	}
	var joined []byte
	for rank, m := range parts.merges {
		left, right := parts.tokens[m[0]], parts.tokens[m[1]]
		joined = append(append(joined[:0], left...), right...)
		id, ok := t.ids[string(joined)]
		if !ok {
			return nil, fmt.Errorf("%w: merge %d: %q + %q is no token", ErrInvalid, rank, left, right)
		}
		if parts.byToken {
			rank = int(id)
		} else {
			t.pairs.made = append(t.pairs.made, id)
		}
		if !t.pairs.add(m[0], m[1], int32(rank)) {
			return nil, fmt.Errorf("%w: merge %d repeats %q %q", ErrInvalid, rank, left, right)
		}
		if len(left) == 1 && len(right) == 1 {
			t.pairs.bytes[int(left[0])<<8|int(right[0])] = int32(rank)
		}
	}
	t.words = newWordTable(len(t.ids))
	e := new(encoder)
	for token, id := range t.ids {
		if len(token) > maxWordBytes {
			continue
		}
		if e.ids = e.merge(t, e.ids[:0], token); len(e.ids) == 1 {
			key := wordKeyOf(token, len(token))
			*t.words.slot(key) = tokenSlot{key, id}
		}
	}
	return t, nil
}

// Kind is KindBPE.
func (t *BPE) Kind() Kind { return KindBPE }

// Pattern is how text is cut before pairs are merged.
func (t *BPE) Pattern() Pattern { return t.parts.pattern }

// VocabSize is the highest id plus one: bytes, merges and special tokens, and the ids in between that some published
// vocabularies leave unused.
func (t *BPE) VocabSize() int { return len(t.parts.tokens) }

// EndOfText is the id of <|endoftext|>, or of what the vocabulary has in its place (Llama 3: <|end_of_text|>); the last one
// in vocabularies trained here, as in GPT-2.
func (t *BPE) EndOfText() int32 { return t.endOfText }

// Special lists the special tokens by id.
func (t *BPE) Special() []Special {
	list := make([]Special, 0, len(t.parts.special))
	for id, name := range t.parts.special {
		list = append(list, Special{Name: name, ID: id})
	}
	slices.SortFunc(list, func(a, b Special) int { return int(a.ID) - int(b.ID) })
	return list
}

// Bytes is what id stands for; nothing for special tokens and unused ids.
func (t *BPE) Bytes(id int32) []byte {
	if id < 0 || int(id) >= len(t.parts.tokens) {
		return nil
	}
	return t.parts.tokens[id]
}

// Merges is the number of merge rules.
func (t *BPE) Merges() int { return len(t.parts.merges) }
