package token

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// huggingFaceFile is the part of tokenizer.json that decides what ids a text gets.
type huggingFaceFile struct {
	AddedTokens  []addedToken      `json:"added_tokens"`
	Normalizer   json.RawMessage   `json:"normalizer"`
	PreTokenizer json.RawMessage   `json:"pre_tokenizer"`
	Model        *huggingFaceModel `json:"model"`
}

type addedToken struct {
	ID         int64  `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"`
	Lstrip     bool   `json:"lstrip"`
	Rstrip     bool   `json:"rstrip"`
	Normalized bool   `json:"normalized"`
	Special    bool   `json:"special"`
}

// preTokenizer is a ByteLevel, a Split, or a Sequence of them.
type preTokenizer struct {
	Type string `json:"type"`

	AddPrefixSpace bool  `json:"add_prefix_space"`
	UseRegex       *bool `json:"use_regex"`

	Pattern struct {
		Regex  *string `json:"Regex"`
		String *string `json:"String"`
	} `json:"pattern"`
	Behavior string `json:"behavior"`
	Invert   bool   `json:"invert"`

	Pretokenizers []preTokenizer `json:"pretokenizers"`
}

type huggingFaceModel struct {
	Type          string     `json:"type"`
	Dropout       *float64   `json:"dropout"`
	UnkToken      *string    `json:"unk_token"`
	SubwordPrefix *string    `json:"continuing_subword_prefix"`
	WordSuffix    *string    `json:"end_of_word_suffix"`
	FuseUnk       bool       `json:"fuse_unk"`
	ByteFallback  bool       `json:"byte_fallback"`
	IgnoreMerges  bool       `json:"ignore_merges"`
	MillraceRanks string     `json:"millrace_ranks"` // ranksByToken or ""; other programs pass over it
	Vocab         vocabulary `json:"vocab"`
	Merges        mergeList  `json:"merges"`
}

// ranksByToken in a file of ours says that pairs which make the same token have the same rank, as in tiktoken.
const ranksByToken = "token"

// ParseHuggingFace reads a tokenizer.json of the byte-level BPE family: GPT-2's shape (a ByteLevel pre-tokenizer with its
// regex), and Llama 3's and the conversions of cl100k and o200k (a Split by one of the known patterns before ByteLevel,
// with or without ignore_merges). There must be no normalizer and no space added in front, and an end of text among the
// special tokens. Files that would encode differently from that (unknown patterns, SentencePiece models, tokens to be
// found inside any text) are refused by name. Every error wraps ErrInvalid.
func ParseHuggingFace(data []byte) (*BPE, error) {
	if len(data) > maxFileBytes {
		return nil, fmt.Errorf("%w: file of %d bytes, the limit is %d", ErrInvalid, len(data), maxFileBytes)
	}
	var f huggingFaceFile
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, fmt.Errorf("%w: tokenizer.json: %w", ErrInvalid, err)
	}
	pattern, err := f.check()
	if err != nil {
		return nil, fmt.Errorf("%w: tokenizer.json: %w", ErrInvalid, err)
	}
	parts := bpeParts{pattern: pattern, special: make(map[int32]string, len(f.AddedTokens)),
		whole: f.Model.IgnoreMerges, byToken: f.Model.MillraceRanks == ranksByToken}
	for _, a := range f.AddedTokens {
		if id, ok := f.Model.Vocab[a.Content]; ok && id != a.ID {
			return nil, fmt.Errorf("%w: tokenizer.json: added token %q is %d in added_tokens and %d in vocab", ErrInvalid, a.Content, a.ID, id)
		}
		parts.special[int32(a.ID)] = a.Content
	}
	if err := parts.name(f.Model.Vocab, f.Model.Merges); err != nil {
		return nil, fmt.Errorf("%w: tokenizer.json: %w", ErrInvalid, err)
	}
	return newBPE(parts)
}

// name fills in tokens and merges that are written in GPT-2's byte alphabet; special must be there.
func (parts *bpeParts) name(vocab vocabulary, merges [][2]string) error {
	size := int64(0)
	for id := range parts.special {
		size = max(size, int64(id)+1)
	}
	for _, id := range vocab {
		size = max(size, id+1)
	}
	level := newByteLevel()
	parts.tokens = make([][]byte, size)
	owner := make([]string, size)
	for id, name := range parts.special {
		owner[id] = name
	}
	for name, id := range vocab {
		if special, ok := parts.special[int32(id)]; ok && special == name {
			continue
		}
		if owner[id] != "" {
			return fmt.Errorf("id %d is given twice, to %q and %q", id, min(name, owner[id]), max(name, owner[id]))
		}
		owner[id] = name
		b, ok := level.read(name)
		if !ok {
			return fmt.Errorf("token %q is not written in GPT-2's byte alphabet", name)
		}
		if len(b) == 0 {
			return fmt.Errorf("id %d is the empty token", id)
		}
		parts.tokens[id] = b
	}
	parts.merges = make([][2]int32, len(merges))
	for i, m := range merges {
		for side, name := range m {
			id, ok := vocab[name]
			if !ok || parts.tokens[id] == nil {
				return fmt.Errorf("merge %d: %q is no token", i, name)
			}
			parts.merges[i][side] = int32(id)
		}
	}
	return nil
}

func (f *huggingFaceFile) check() (Pattern, error) {
	if f.Model == nil {
		return "", fmt.Errorf(`no "model"`)
	}
	m := f.Model
	switch {
	case m.Type != "" && m.Type != "BPE": // old files of GPT-2 do not say
		return "", fmt.Errorf("model type %q: only byte-level BPE is supported", m.Type)
	case m.Dropout != nil && *m.Dropout != 0:
		return "", fmt.Errorf("BPE dropout makes encoding random: not supported")
	case m.SubwordPrefix != nil && *m.SubwordPrefix != "", m.WordSuffix != nil && *m.WordSuffix != "":
		return "", fmt.Errorf("subword prefixes and word suffixes are not supported")
	case m.ByteFallback:
		return "", fmt.Errorf("byte_fallback: this is not a byte-level vocabulary")
	case m.MillraceRanks != "" && m.MillraceRanks != ranksByToken:
		return "", fmt.Errorf("millrace_ranks %q: this version knows %q", m.MillraceRanks, ranksByToken)
	case present(f.Normalizer):
		return "", fmt.Errorf("a normalizer is not supported: %.100s", f.Normalizer)
	case !present(f.PreTokenizer):
		return "", fmt.Errorf("no pre_tokenizer: only ByteLevel, alone or after a Split, is supported")
	}
	var p preTokenizer
	if err := json.Unmarshal(f.PreTokenizer, &p); err != nil {
		return "", fmt.Errorf("pre_tokenizer: %w", err)
	}
	pattern, err := p.pattern()
	if err != nil {
		return "", fmt.Errorf("pre_tokenizer: %w", err)
	}
	ids, names := map[int64]bool{}, map[string]bool{}
	for _, a := range f.AddedTokens {
		switch {
		case a.Content == "" || ids[a.ID] || names[a.Content]:
			return "", fmt.Errorf("added_tokens: id %d, content %q is empty or repeated", a.ID, a.Content)
		case a.ID < 0 || a.ID >= MaxVocabSize:
			return "", fmt.Errorf("added token %q has id %d, the limit is %d", a.Content, a.ID, MaxVocabSize)
		case !a.Special:
			return "", fmt.Errorf("added token %q is not special: looking for tokens inside any text is not supported", a.Content)
		case a.SingleWord || a.Lstrip || a.Rstrip:
			return "", fmt.Errorf("added token %q: single_word, lstrip and rstrip are not supported", a.Content)
		}
		ids[a.ID], names[a.Content] = true, true
	}
	return pattern, nil
}

// pattern says how a pre-tokenizer cuts.
func (p preTokenizer) pattern() (Pattern, error) {
	switch p.Type {
	case "ByteLevel":
		if p.UseRegex != nil && !*p.UseRegex {
			return "", fmt.Errorf("ByteLevel alone with use_regex false cuts nowhere: not supported")
		}
		return GPT2, p.byteLevel()
	case "Sequence":
		if len(p.Pretokenizers) != 2 {
			return "", fmt.Errorf("a sequence of %d: only a Split before a ByteLevel is supported", len(p.Pretokenizers))
		}
	default:
		return "", fmt.Errorf("%q: only ByteLevel, alone or after a Split, is supported", p.Type)
	}
	split, level := p.Pretokenizers[0], p.Pretokenizers[1]
	switch {
	case split.Type != "Split" || level.Type != "ByteLevel":
		return "", fmt.Errorf("%q before %q: only a Split before a ByteLevel is supported", split.Type, level.Type)
	case level.UseRegex == nil || *level.UseRegex:
		return "", fmt.Errorf("use_regex is true in the ByteLevel after a Split, which would cut twice: not supported")
	case split.Pattern.Regex == nil:
		return "", fmt.Errorf("a Split by a fixed string is not supported")
	}
	pattern, ok := patternOf(*split.Pattern.Regex)
	if !ok {
		return "", fmt.Errorf("unknown Split pattern %.300q: this version knows those of %s", *split.Pattern.Regex, joinNames(Patterns()))
	}
	// Removed and inverted keeps the matches and drops what is between them, which is nothing: these patterns match everything.
	if isolated := split.Behavior == "Isolated" && !split.Invert; !isolated && !(split.Behavior == "Removed" && split.Invert) {
		return "", fmt.Errorf("Split with behavior %q, invert %t: want Isolated, false or Removed, true", split.Behavior, split.Invert)
	}
	return pattern, level.byteLevel()
}

// byteLevel checks what else a ByteLevel may ask for.
func (p preTokenizer) byteLevel() error {
	if p.AddPrefixSpace {
		return fmt.Errorf("add_prefix_space is not supported")
	}
	return nil
}

func present(raw json.RawMessage) bool { return len(raw) > 0 && string(raw) != "null" }

// vocabulary is {"token": id, …}; a repeated token, which encoding/json would let pass, is an error.
type vocabulary map[string]int64

func (v *vocabulary) UnmarshalJSON(data []byte) error {
	*v = vocabulary{}
	d := json.NewDecoder(bytes.NewReader(data))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return fmt.Errorf("vocab: want an object")
	}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return err
		}
		name := t.(string) // the decoder yields only strings as keys
		var id int64
		if err := d.Decode(&id); err != nil {
			return fmt.Errorf("vocab: %q: %w", name, err)
		}
		if _, ok := (*v)[name]; ok {
			return fmt.Errorf("vocab: %q is there twice", name)
		}
		if id < 0 || id >= MaxVocabSize {
			return fmt.Errorf("vocab: %q has id %d, the limit is %d", name, id, MaxVocabSize)
		}
		(*v)[name] = id
	}
	return nil
}

// mergeList is ["a b", …], as was always written, or [["a","b"], …], as since 2024.
type mergeList [][2]string

func (l *mergeList) UnmarshalJSON(data []byte) error {
	var raw []json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return fmt.Errorf("merges: %w", err)
	}
	*l = make(mergeList, len(raw))
	for i, r := range raw {
		var parts []string
		var joined string
		if err := json.Unmarshal(r, &joined); err == nil {
			parts = strings.Split(joined, " ")
		} else if err := json.Unmarshal(r, &parts); err != nil {
			return fmt.Errorf(`merges: %d is neither "left right" nor ["left","right"]`, i)
		}
		if len(parts) != 2 {
			return fmt.Errorf("merges: %d has %d parts, want 2", i, len(parts))
		}
		(*l)[i] = [2]string(parts)
	}
	return nil
}
