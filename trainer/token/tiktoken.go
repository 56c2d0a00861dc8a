package token

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
)

// Encoding is what a rank file does not say of itself.
type Encoding struct {
	Name    string
	Pattern Pattern
	Special []Special
}

// Bounds of a rank file. The longest token in public use has 128 bytes, the most pairs (o200k_base's) are under a million.
const (
	maxTokenBytes = 512
	maxMerges     = 1 << 23
)

// PublishedEncoding recognises OpenAI's rank files by their digest.
func PublishedEncoding(data []byte) (Encoding, bool) {
	sum := sha256.Sum256(data)
	switch hex.EncodeToString(sum[:]) {
	case "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930":
		return Encoding{"r50k_base", GPT2, []Special{{EndOfText, 50256}}}, true
	case "94b5ca7dff4d00767bc256fdd1b27e5b17361d7b8a5f968547f9f23eb70d2069":
		return Encoding{"p50k_base", GPT2, []Special{{EndOfText, 50256}}}, true
	case "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7":
		return Encoding{"cl100k_base", CL100K, []Special{{EndOfText, 100257}, {"<|fim_prefix|>", 100258}, {"<|fim_middle|>", 100259},
			{"<|fim_suffix|>", 100260}, {"<|endofprompt|>", 100276}}}, true
	case "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d":
		return Encoding{"o200k_base", O200K, []Special{{EndOfText, 199999}, {"<|endofprompt|>", 200018}}}, true
	}
	return Encoding{}, false
}

// ParseTiktoken reads a rank file: lines of a token in base64, a space, and its rank, which is its id. A piece that is a
// token is taken whole; otherwise the adjacent parts that make the token of lowest rank are merged, the leftmost first. When
// special has no end of text, <|endoftext|> gets the id after the last. Every error wraps ErrInvalid and names the line.
func ParseTiktoken(data []byte, pattern Pattern, special []Special) (*BPE, error) {
	if len(data) > maxFileBytes {
		return nil, fmt.Errorf("%w: file of %d bytes, the limit is %d", ErrInvalid, len(data), maxFileBytes)
	}
	if err := pattern.Check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	parts := bpeParts{pattern: pattern, special: map[int32]string{}, whole: true, byToken: true}
	ids := map[string]int32{}
	line := 0
	for text := range bytes.Lines(data) {
		line++
		if text = bytes.TrimSpace(text); len(text) == 0 {
			continue
		}
		token, id, err := parseRank(text)
		if err != nil {
			return nil, fmt.Errorf("%w: rank file, line %d: %w", ErrInvalid, line, err)
		}
		if _, ok := ids[string(token)]; ok {
			return nil, fmt.Errorf("%w: rank file, line %d: %q is there twice", ErrInvalid, line, token)
		}
		for int(id) >= len(parts.tokens) {
			parts.tokens = append(parts.tokens, nil)
		}
		if parts.tokens[id] != nil {
			return nil, fmt.Errorf("%w: rank file, line %d: rank %d is there twice", ErrInvalid, line, id)
		}
		parts.tokens[id], ids[string(token)] = token, id
	}
	if err := parts.addSpecial(special); err != nil {
		return nil, fmt.Errorf("%w: rank file: %w", ErrInvalid, err)
	}
	var err error
	if parts.merges, err = rankMerges(parts.tokens, ids); err != nil {
		return nil, err
	}
	return newBPE(parts)
}

func parseRank(line []byte) (token []byte, id int32, err error) {
	text, rank, ok := bytes.Cut(line, []byte(" "))
	if !ok {
		return nil, 0, fmt.Errorf("%.80q: want a token in base64, a space, and its rank", line)
	}
	n, err := strconv.ParseInt(string(rank), 10, 64)
	if err != nil || n < 0 || n >= MaxVocabSize {
		return nil, 0, fmt.Errorf("rank %.40q: want a number from 0 to %d", rank, MaxVocabSize-1)
	}
	token, err = base64.StdEncoding.AppendDecode(nil, text)
	if err != nil {
		return nil, 0, fmt.Errorf("token %.80q: %w", text, err)
	}
	if len(token) == 0 || len(token) > maxTokenBytes {
		return nil, 0, fmt.Errorf("a token of %d bytes, want 1 to %d", len(token), maxTokenBytes)
	}
	return token, int32(n), nil
}

// addSpecial puts special tokens on free ids, and an end of text behind all others if there is none yet.
func (parts *bpeParts) addSpecial(special []Special) error {
	if !slices.ContainsFunc(special, func(s Special) bool { return slices.Contains(endNames(), s.Name) }) {
		next := int32(len(parts.tokens))
		for _, s := range special {
			next = max(next, s.ID+1)
		}
		special = append(slices.Clone(special), Special{EndOfText, next})
	}
	names := map[string]bool{}
	for _, s := range special {
		if s.Name == "" || names[s.Name] {
			return fmt.Errorf("special token %q is empty or there twice", s.Name)
		}
		names[s.Name] = true
		if s.ID < 0 || s.ID >= MaxVocabSize {
			return fmt.Errorf("special token %q has id %d, want 0 to %d", s.Name, s.ID, MaxVocabSize-1)
		}
		for int(s.ID) >= len(parts.tokens) {
			parts.tokens = append(parts.tokens, nil)
		}
		if other, ok := parts.special[s.ID]; ok || parts.tokens[s.ID] != nil {
			return fmt.Errorf("special token %q has id %d, which is taken by %q", s.Name, s.ID, other+string(parts.tokens[s.ID]))
		}
		parts.special[s.ID] = s.Name
	}
	return nil
}

// rankMerges lists every pair of tokens that makes a token, in the order of Hugging Face's conversion: by the token made,
// then by the left half, then by the right one.
func rankMerges(tokens [][]byte, ids map[string]int32) ([][2]int32, error) {
	var merges [][2]int32
	for _, token := range tokens {
		from := len(merges)
		for cut := 1; cut < len(token); cut++ {
			left, ok := ids[string(token[:cut])]
			if !ok {
				continue
			}
			if right, ok := ids[string(token[cut:])]; ok {
				merges = append(merges, [2]int32{left, right})
			}
		}
		if len(merges) > maxMerges {
			return nil, fmt.Errorf("%w: rank file: more than %d pairs make a token", ErrInvalid, maxMerges)
		}
		slices.SortFunc(merges[from:], func(a, b [2]int32) int { return slices.Compare(a[:], b[:]) })
	}
	return merges, nil
}
