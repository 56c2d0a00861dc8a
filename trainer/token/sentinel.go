package token

import (
	"fmt"
	"slices"
)

// Sentinels is a tokenizer with the names of an encoder-decoder's sentinels, which lie behind its vocabulary: <extra_id_n> is token
// n from the end of the model's, as T5 has it (Raffel et al. 2020). They are special tokens that say their names.
type Sentinels struct {
	Tokenizer
	vocab int32
}

// WithSentinels lets every id from t's vocabulary up to the model's be a sentinel.
func WithSentinels(t Tokenizer, vocab int) Sentinels { return Sentinels{t, int32(vocab)} }

// VocabSize is the model's.
func (s Sentinels) VocabSize() int { return max(int(s.vocab), s.Tokenizer.VocabSize()) }

// Special lists the sentinels behind the tokenizer's own special tokens.
func (s Sentinels) Special() []Special {
	all := slices.Clone(s.Tokenizer.Special())
	for id := int32(s.Tokenizer.VocabSize()); id < s.vocab; id++ {
		all = append(all, Special{s.name(id), id})
	}
	return all
}

func (s Sentinels) name(id int32) string { return fmt.Sprintf("<extra_id_%d>", s.vocab-1-id) }

// Bytes is the name of a sentinel, and what the tokenizer says of any other token.
func (s Sentinels) Bytes(id int32) []byte {
	if id >= int32(s.Tokenizer.VocabSize()) && id < s.vocab {
		return []byte(s.name(id))
	}
	return s.Tokenizer.Bytes(id)
}

// End is the sentinel that ends what is written for the gaps in source: the one behind the last that source has. There is none for a
// source without gaps.
func (s Sentinels) End(source []int32) (int32, bool) {
	last := s.vocab
	for _, id := range source {
		if id >= int32(s.Tokenizer.VocabSize()) && id < last {
			last = id
		}
	}
	return last - 1, last < s.vocab && int(last-1) >= s.Tokenizer.VocabSize()
}
