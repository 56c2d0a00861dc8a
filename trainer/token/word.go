package token

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
)

// Unknown is how the special token of a Word tokenizer that stands for every other word is written in files.
const Unknown = "<|unk|>"

// wordFormat marks the file of a Word tokenizer:
//
//	{"format":"millrace.tokenizer.word/1","pattern":"gpt2","words":["Ġthe",",","Ġof",…]}
//
// words are the pre-tokens of the pattern in GPT-2's byte alphabet, so that any bytes can be written; the id of a word is its
// place, <|unk|> is the id after the last, <|endoftext|> the one after that.
const wordFormat = "millrace.tokenizer.word/1"

// Word has one id for each frequent pre-token of a pattern, with the space in front of it, and one for all others: the
// tokenizer of classic language models. What it knows decodes to the same bytes; <|unk|> decodes to nothing.
type Word struct {
	pattern Pattern
	scan    func(string) int
	level   *byteLevel
	words   [][]byte
	ids     map[string]int32
}

// newWord checks and indexes words.
func newWord(pattern Pattern, words [][]byte) (*Word, error) {
	if err := pattern.Check(); err != nil {
		return nil, fmt.Errorf("%w: word tokenizer: %w", ErrInvalid, err)
	}
	if len(words) == 0 || len(words)+2 > MaxVocabSize {
		return nil, fmt.Errorf("%w: word tokenizer: %d words, want 1 to %d", ErrInvalid, len(words), MaxVocabSize-2)
	}
	t := &Word{pattern: pattern, scan: pattern.scanner(), level: newByteLevel(), words: words, ids: make(map[string]int32, len(words))}
	for id, w := range words {
		if other, ok := t.ids[string(w)]; ok {
			return nil, fmt.Errorf("%w: word tokenizer: words %d and %d are both %q", ErrInvalid, other, id, w)
		}
		if len(w) == 0 || t.scan(string(w)) != len(w) {
			return nil, fmt.Errorf("%w: word tokenizer: word %d, %q, is no pre-token of %s", ErrInvalid, id, w, pattern)
		}
		t.ids[string(w)] = int32(id)
	}
	return t, nil
}

// TrainWords takes the most frequent pre-tokens of docs that occur at least MinPairCount times, of equally frequent ones the
// lower in bytes. Special must be empty. The result depends on the multiset of pre-tokens only.
func (tr Trainer) TrainWords(ctx context.Context, docs iter.Seq[string]) (*Word, error) {
	if tr.VocabSize < 3 || tr.VocabSize > MaxVocabSize {
		return nil, fmt.Errorf("token: vocab_size %d: want 3 to %d for words", tr.VocabSize, MaxVocabSize)
	}
	if len(tr.Special) > 0 {
		return nil, fmt.Errorf("token: a word tokenizer has no special tokens of your own")
	}
	tr.Pattern = cmp.Or(tr.Pattern, GPT2)
	if err := tr.Pattern.Check(); err != nil {
		return nil, err
	}
	counts, err := tr.countWords(ctx, docs)
	if err != nil {
		return nil, err
	}
	type counted struct {
		word  string
		count int64
	}
	var all []counted
	for w, n := range counts {
		if *n >= tr.least() {
			all = append(all, counted{w, *n})
		}
	}
	slices.SortFunc(all, func(a, b counted) int { return cmp.Or(cmp.Compare(b.count, a.count), cmp.Compare(a.word, b.word)) })
	words := make([][]byte, min(len(all), tr.VocabSize-2))
	for i := range words {
		words[i] = []byte(all[i].word)
	}
	return newWord(tr.Pattern, words)
}

// Kind is KindWord.
func (t *Word) Kind() Kind { return KindWord }

// Pattern is how text is cut into words.
func (t *Word) Pattern() Pattern { return t.pattern }

// VocabSize is the number of words plus two.
func (t *Word) VocabSize() int { return len(t.words) + 2 }

// Unknown is the id of <|unk|>.
func (t *Word) Unknown() int32 { return int32(len(t.words)) }

// EndOfText is the last id.
func (t *Word) EndOfText() int32 { return int32(len(t.words)) + 1 }

// Special is <|unk|> and <|endoftext|>.
func (t *Word) Special() []Special {
	return []Special{{Unknown, t.Unknown()}, {EndOfText, t.EndOfText()}}
}

// Append appends one id a word, <|unk|> for those that are not in the vocabulary; it never fails.
func (t *Word) Append(dst []int32, text string) ([]int32, error) {
	for len(text) > 0 {
		n := t.scan(text)
		id, ok := t.ids[text[:n]]
		if !ok {
			id = t.Unknown()
		}
		dst = append(dst, id)
		text = text[n:]
	}
	return dst, nil
}

// Bytes is the word of id; nothing for special tokens.
func (t *Word) Bytes(id int32) []byte {
	if id < 0 || int(id) >= len(t.words) {
		return nil
	}
	return t.words[id]
}

type wordFile struct {
	Format  string   `json:"format"`
	Pattern Pattern  `json:"pattern"`
	Words   []string `json:"words"`
}

// JSON is the file described at wordFormat, newline at the end.
func (t *Word) JSON() []byte {
	f := wordFile{Format: wordFormat, Pattern: t.pattern, Words: make([]string, len(t.words))}
	for i, w := range t.words {
		f.Words[i] = string(t.level.write(nil, w))
	}
	data, err := json.Marshal(f)
	if err != nil { // strings: cannot happen
		panic(err)
	}
	return append(data, '\n')
}

func parseWord(data []byte) (*Word, error) {
	var f wordFile
	if err := strictJSON(data, &f); err != nil {
		return nil, err
	}
	level := newByteLevel()
	words := make([][]byte, len(f.Words))
	for i, w := range f.Words {
		b, ok := level.read(w)
		if !ok {
			return nil, fmt.Errorf("%w: word tokenizer: word %d, %.80q, is not written in GPT-2's byte alphabet", ErrInvalid, i, w)
		}
		words[i] = b
	}
	return newWord(f.Pattern, words)
}
