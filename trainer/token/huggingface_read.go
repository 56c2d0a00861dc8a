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

type byteLevelPreTokenizer struct {
	Type           string `json:"type"`
	AddPrefixSpace bool   `json:"add_prefix_space"`
	TrimOffsets    bool   `json:"trim_offsets"`
	UseRegex       *bool  `json:"use_regex"`
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
	Vocab         vocabulary `json:"vocab"`
	Merges        mergeList  `json:"merges"`
}

// ParseHuggingFace reads a tokenizer.json of GPT-2's shape: a BPE model behind a ByteLevel pre-tokenizer with its regex,
// no normalizer, no space added in front, and <|endoftext|> among the special tokens. Files that would encode differently
// from that (Llama 3's or Qwen's split, SentencePiece models, tokens to be found inside text) are refused by name. Every
// error wraps ErrInvalid.
func ParseHuggingFace(data []byte) (*BPE, error) {
	if len(data) > maxFileBytes {
		return nil, fmt.Errorf("%w: file of %d bytes, the limit is %d", ErrInvalid, len(data), maxFileBytes)
	}
	var f huggingFaceFile
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, fmt.Errorf("%w: tokenizer.json: %w", ErrInvalid, err)
	}
	if err := f.check(); err != nil {
		return nil, fmt.Errorf("%w: tokenizer.json: %w", ErrInvalid, err)
	}
	names := f.Model.Vocab
	special := make(map[int32]string, len(f.AddedTokens))
	idOf := make(map[string]int32, len(names)+len(f.AddedTokens))
	for name, id := range names {
		idOf[name] = int32(id)
	}
	for _, a := range f.AddedTokens {
		if id, ok := idOf[a.Content]; ok && int64(id) != a.ID {
			return nil, fmt.Errorf("%w: tokenizer.json: added token %q is %d in added_tokens and %d in vocab", ErrInvalid, a.Content, a.ID, id)
		}
		if a.ID < 0 || a.ID >= MaxVocabSize {
			return nil, fmt.Errorf("%w: tokenizer.json: added token %q has id %d, the limit is %d", ErrInvalid, a.Content, a.ID, MaxVocabSize)
		}
		idOf[a.Content] = int32(a.ID)
		special[int32(a.ID)] = a.Content
	}
	level := newByteLevel()
	tokens := make([][]byte, len(idOf))
	seen := make([]bool, len(idOf))
	for name, id := range idOf {
		if id < 0 || int(id) >= len(idOf) {
			return nil, fmt.Errorf("%w: tokenizer.json: token %q has id %d, but there are only %d tokens", ErrInvalid, name, id, len(idOf))
		}
		if seen[id] {
			return nil, fmt.Errorf("%w: tokenizer.json: id %d is given twice, once to %q", ErrInvalid, id, name)
		}
		seen[id] = true
		if _, ok := special[id]; ok {
			continue
		}
		b, ok := level.read(name)
		if !ok {
			return nil, fmt.Errorf("%w: tokenizer.json: token %q is not written in GPT-2's byte alphabet", ErrInvalid, name)
		}
		tokens[id] = b
	}
	merges := make([][2]int32, len(f.Model.Merges))
	for i, m := range f.Model.Merges {
		for side, name := range m {
			id, ok := idOf[name]
			if !ok || tokens[id] == nil {
				return nil, fmt.Errorf("%w: tokenizer.json: merge %d: %q is no token", ErrInvalid, i, name)
			}
			merges[i][side] = id
		}
	}
	return newBPE(tokens, special, merges)
}

func (f *huggingFaceFile) check() error {
	if f.Model == nil {
		return fmt.Errorf(`no "model"`)
	}
	m := f.Model
	switch {
	case m.Type != "" && m.Type != "BPE": // old files of GPT-2 do not say
		return fmt.Errorf("model type %q: only byte-level BPE is supported", m.Type)
	case m.Dropout != nil && *m.Dropout != 0:
		return fmt.Errorf("BPE dropout makes encoding random: not supported")
	case m.SubwordPrefix != nil && *m.SubwordPrefix != "", m.WordSuffix != nil && *m.WordSuffix != "":
		return fmt.Errorf("subword prefixes and word suffixes are not supported")
	case m.ByteFallback:
		return fmt.Errorf("byte_fallback: this is not a byte-level vocabulary")
	case m.IgnoreMerges:
		return fmt.Errorf("ignore_merges is not supported")
	case present(f.Normalizer):
		return fmt.Errorf("a normalizer is not supported: %.100s", f.Normalizer)
	case !present(f.PreTokenizer):
		return fmt.Errorf("no pre_tokenizer: only ByteLevel is supported")
	}
	var p byteLevelPreTokenizer
	if err := json.Unmarshal(f.PreTokenizer, &p); err != nil {
		return fmt.Errorf("pre_tokenizer: %w", err)
	}
	switch {
	case p.Type != "ByteLevel":
		return fmt.Errorf("pre_tokenizer %q: only ByteLevel (GPT-2's split) is supported", p.Type)
	case p.UseRegex != nil && !*p.UseRegex:
		return fmt.Errorf("pre_tokenizer: use_regex is false, which is not GPT-2's split")
	case p.AddPrefixSpace:
		return fmt.Errorf("pre_tokenizer: add_prefix_space is not supported")
	}
	ids, names := map[int64]bool{}, map[string]bool{}
	for _, a := range f.AddedTokens {
		if a.Content == "" || ids[a.ID] || names[a.Content] {
			return fmt.Errorf("added_tokens: id %d, content %q is empty or repeated", a.ID, a.Content)
		}
		ids[a.ID], names[a.Content] = true, true
		if !a.Special {
			return fmt.Errorf("added token %q is not special: looking for tokens inside text is not supported", a.Content)
		}
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
