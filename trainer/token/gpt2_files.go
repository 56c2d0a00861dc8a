package token

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// ParseGPT2 reads GPT-2's pair of files: vocab.json (or encoder.json), {"token": id, …} in GPT-2's byte alphabet, and
// merges.txt (or vocab.bpe), a line "#version: …" and then "left right" by rank. Names of the shape <|…|>, and </s>, are
// special tokens. Every error wraps ErrInvalid and names the file.
func ParseGPT2(vocabJSON, mergesText []byte) (*BPE, error) {
	if n := max(len(vocabJSON), len(mergesText)); n > maxFileBytes {
		return nil, fmt.Errorf("%w: file of %d bytes, the limit is %d", ErrInvalid, n, maxFileBytes)
	}
	var vocab vocabulary
	if err := json.Unmarshal(vocabJSON, &vocab); err != nil {
		return nil, fmt.Errorf("%w: vocab.json: %w", ErrInvalid, err)
	}
	parts := bpeParts{pattern: GPT2, special: map[int32]string{}}
	for name, id := range vocab {
		if strings.HasPrefix(name, "<|") && strings.HasSuffix(name, "|>") || slices.Contains(endNames(), name) {
			if other, ok := parts.special[int32(id)]; ok {
				return nil, fmt.Errorf("%w: vocab.json: id %d is given twice, to %q and %q", ErrInvalid, id, min(name, other), max(name, other))
			}
			parts.special[int32(id)] = name
		}
	}
	var merges [][2]string
	line := 0
	for text := range bytes.Lines(mergesText) {
		line++
		text = bytes.TrimRight(text, "\r\n")
		if len(text) == 0 || line == 1 && bytes.HasPrefix(text, []byte("#version")) {
			continue
		}
		left, right, ok := strings.Cut(string(text), " ")
		if !ok || strings.Contains(right, " ") {
			return nil, fmt.Errorf("%w: merges.txt, line %d: %.80q: want two tokens and a space between them", ErrInvalid, line, text)
		}
		merges = append(merges, [2]string{left, right})
	}
	if err := parts.name(vocab, merges); err != nil {
		return nil, fmt.Errorf("%w: vocab.json and merges.txt: %w", ErrInvalid, err)
	}
	return newBPE(parts)
}
