package token

import "fmt"

// BPE is GPT-2's byte-level byte-pair encoding: text is cut by Split, each piece starts as its bytes, and the adjacent
// pair with the lowest rank is merged (the leftmost first) until no pair has one.
type BPE struct {
	level     *byteLevel
	tokens    [][]byte // bytes of each id; nil for special ones
	special   map[int32]string
	endOfText int32
	byteIDs   [256]int32
	merges    [][2]int32       // by rank
	merged    []int32          // by rank: the id the pair becomes
	ranks     map[uint64]int32 // pairKey → rank
	encoders  freeList
}

func pairKey(a, b int32) uint64 { return uint64(uint32(a))<<32 | uint64(uint32(b)) }

// newBPE checks and indexes a vocabulary: tokens by id (nil where special says what is there), merges by rank. Every byte
// must be a token, every merge must give one, and <|endoftext|> must be among the special ones.
func newBPE(tokens [][]byte, special map[int32]string, merges [][2]int32) (*BPE, error) {
	t := &BPE{level: newByteLevel(), tokens: tokens, special: special, merges: merges, endOfText: -1,
		merged: make([]int32, len(merges)), ranks: make(map[uint64]int32, len(merges))}
	ids := make(map[string]int32, len(tokens))
	for id, b := range tokens {
		id := int32(id)
		if name, ok := special[id]; ok {
			if name == EndOfText {
				t.endOfText = id
			}
			continue
		}
		if len(b) == 0 {
			return nil, fmt.Errorf("%w: id %d has no token", ErrInvalid, id)
		}
		if other, ok := ids[string(b)]; ok {
			return nil, fmt.Errorf("%w: ids %d and %d are both %q", ErrInvalid, other, id, b)
		}
		ids[string(b)] = id
	}
	if t.endOfText < 0 {
		return nil, fmt.Errorf("%w: no special token %s, which this program needs to separate documents", ErrInvalid, EndOfText)
	}
	for b := range t.byteIDs {
		id, ok := ids[string([]byte{byte(b)})]
		if !ok {
			return nil, fmt.Errorf("%w: byte %#02x is no token: not a byte-level vocabulary", ErrInvalid, b)
		}
		t.byteIDs[b] = id
	}
	for rank, m := range merges {
		key := pairKey(m[0], m[1])
		if _, ok := t.ranks[key]; ok {
			return nil, fmt.Errorf("%w: merge %d repeats %q %q", ErrInvalid, rank, tokens[m[0]], tokens[m[1]])
		}
		id, ok := ids[string(tokens[m[0]])+string(tokens[m[1]])]
		if !ok {
			return nil, fmt.Errorf("%w: merge %d: %q + %q is no token", ErrInvalid, rank, tokens[m[0]], tokens[m[1]])
		}
		t.ranks[key] = int32(rank)
		t.merged[rank] = id
	}
	return t, nil
}

// Kind is KindBPE.
func (t *BPE) Kind() Kind { return KindBPE }

// VocabSize is bytes + merges + special tokens.
func (t *BPE) VocabSize() int { return len(t.tokens) }

// EndOfText is the id of <|endoftext|>; the last one in vocabularies trained here, as in GPT-2.
func (t *BPE) EndOfText() int32 { return t.endOfText }

// Bytes is what id stands for; nothing for special tokens.
func (t *BPE) Bytes(id int32) []byte {
	if id < 0 || int(id) >= len(t.tokens) {
		return nil
	}
	return t.tokens[id]
}

// Merges is the number of merge rules.
func (t *BPE) Merges() int { return len(t.merges) }
