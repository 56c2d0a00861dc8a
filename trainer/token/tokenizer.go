package token

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
)

// EndOfText is how the special token that separates documents is written in files.
const EndOfText = "<|endoftext|>"

// Kind names a family of tokenizers.
type Kind string

// The kinds of tokenizers this package knows.
const (
	KindBPE  Kind = "bpe"
	KindByte Kind = "byte"
	KindChar Kind = "char"
	KindWord Kind = "word"
)

// Errors a caller may want to branch on.
var (
	// ErrInvalid is wrapped by every error of Parse and of the constructors: the file is not a tokenizer we can use.
	ErrInvalid = errors.New("token: invalid tokenizer")
	// ErrUnknownText is wrapped by Append when the vocabulary cannot express the text (KindChar only).
	ErrUnknownText = errors.New("token: text is outside the vocabulary")
	// ErrUnknownID is wrapped by Decode for an id that is not in the vocabulary.
	ErrUnknownID = errors.New("token: id is outside the vocabulary")
)

// Tokenizer maps text to ids in [0, VocabSize) and ids to bytes. Implementations are immutable and safe for concurrent use.
type Tokenizer interface {
	Kind() Kind
	// VocabSize counts every id, the special ones included.
	VocabSize() int
	// EndOfText is the id that separates documents.
	EndOfText() int32
	// Special lists the special tokens by id, the end of text among them.
	Special() []Special
	// Append appends the ids of text to dst. Decoding them gives text back, byte for byte. Only KindChar can fail
	// (ErrUnknownText); dst is then returned as it was.
	Append(dst []int32, text string) ([]int32, error)
	// Bytes is what id stands for: nothing for a special token or an id outside the vocabulary. The caller must not
	// write to it.
	Bytes(id int32) []byte
	// JSON is the tokenizer's file in its canonical form: the same tokenizer always gives the same bytes.
	JSON() []byte
}

// ID names a tokenizer: "sha256:" and the lower-case hexadecimal sha256 of its JSON.
func ID(t Tokenizer) string {
	sum := sha256.Sum256(t.JSON())
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Encode is t.Append into a new slice.
func Encode(t Tokenizer, text string) ([]int32, error) { return t.Append(nil, text) }

// Decode joins the bytes of ids; special tokens stand for none. A token may end inside a UTF-8 sequence, so the result is
// valid UTF-8 only when the ids were whole. It returns ErrUnknownID for an id outside the vocabulary.
func Decode(t Tokenizer, ids []int32) ([]byte, error) {
	var out []byte
	n := int32(t.VocabSize())
	for i, id := range ids {
		if id < 0 || id >= n {
			return nil, fmt.Errorf("%w: ids[%d] is %d, the vocabulary has %d", ErrUnknownID, i, id, n)
		}
		out = append(out, t.Bytes(id)...)
	}
	return out, nil
}

// ByteLengths is len(t.Bytes(id)) for every id, as bits per byte needs it: special tokens are 0.
func ByteLengths(t Tokenizer) []int32 {
	lengths := make([]int32, t.VocabSize())
	for id := range lengths {
		lengths[id] = int32(len(t.Bytes(int32(id))))
	}
	return lengths
}

// maxFileBytes bounds what Parse will look at; the largest public tokenizer.json (256,000 tokens) is about 17 MB.
const maxFileBytes = 64 << 20

// Parse reads a tokenizer's file: the own kinds by their "format", OpenAI's published rank files by their digest, anything
// else as a Hugging Face tokenizer.json. A rank file of somebody else does not say its pattern: see ParseTiktoken. Every
// error wraps ErrInvalid.
func Parse(data []byte) (Tokenizer, error) {
	if len(data) > maxFileBytes {
		return nil, fmt.Errorf("%w: file of %d bytes, the limit is %d", ErrInvalid, len(data), maxFileBytes)
	}
	if IsRankFile(data) {
		e, ok := PublishedEncoding(data)
		if !ok {
			return nil, fmt.Errorf("%w: a rank file that is none of OpenAI's: its pattern must be named (millrace tokenizer --pattern)", ErrInvalid)
		}
		return ParseTiktoken(data, e.Pattern, e.Special)
	}
	var head struct {
		Format string `json:"format"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, fmt.Errorf("%w: not JSON: %w", ErrInvalid, err)
	}
	switch head.Format {
	case byteFormat:
		return parseByte(data)
	case charFormat:
		return parseChar(data)
	case wordFormat:
		return parseWord(data)
	case "":
		return ParseHuggingFace(data)
	default:
		return nil, fmt.Errorf("%w: unknown format %q; this version reads %q, %q, %q, Hugging Face's tokenizer.json and tiktoken's rank files",
			ErrInvalid, head.Format, byteFormat, charFormat, wordFormat)
	}
}

// IsRankFile says whether the first line of data is one of a tiktoken rank file.
func IsRankFile(data []byte) bool {
	first, _, _ := bytes.Cut(data, []byte("\n"))
	_, _, err := parseRank(bytes.TrimSpace(first))
	return err == nil
}
