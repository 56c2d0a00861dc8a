package token

import (
	"fmt"
	"iter"
	"strings"
)

// Pattern names the way a text is cut into pre-tokens, inside which byte pairs are merged. Go's regexp has neither
// look-ahead nor possessive quantifiers, hence a hand-written scanner for each. \s is White_Space, the other classes are
// Unicode 16's. A byte that is not UTF-8 counts as a character of its own that is neither space, letter nor number.
type Pattern string

// The patterns.
const (
	// GPT2 is the pattern of GPT-2, r50k_base and p50k_base:
	//
	//	's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
	GPT2 Pattern = "gpt2"
	// CL100K is the pattern of GPT-3.5 and GPT-4 as tiktoken has it; Hugging Face's conversions use Llama3's:
	//
	//	'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s
	CL100K Pattern = "cl100k"
	// O200K is the pattern of GPT-4o and gpt-oss:
	//
	//	[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|
	//	[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|
	//	\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+
	O200K Pattern = "o200k"
	// Llama3 is the pattern of Llama 3:
	//
	//	(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
	Llama3 Pattern = "llama3"
)

// Patterns lists them all.
func Patterns() []Pattern { return []Pattern{GPT2, CL100K, O200K, Llama3} }

// Split yields the pre-tokens of text; joined they are text again. It panics on a pattern that does not exist: check names
// from outside with Check.
func (p Pattern) Split(text string) iter.Seq[string] {
	next := p.scanner()
	return func(yield func(string) bool) {
		for text := text; len(text) > 0; {
			n := next(text)
			if !yield(text[:n]) {
				return
			}
			text = text[n:]
		}
	}
}

// Check says whether there is such a pattern, and which there are.
func (p Pattern) Check() error {
	for _, known := range Patterns() {
		if p == known {
			return nil
		}
	}
	return fmt.Errorf("token: unknown pattern %q: want one of %s", p, joinNames(Patterns()))
}

func joinNames[S ~string](names []S) string {
	parts := make([]string, len(names))
	for i, n := range names {
		parts[i] = string(n)
	}
	return strings.Join(parts, ", ")
}

// scanner gives the function that finds the length of a text's first pre-token.
func (p Pattern) scanner() func(string) int {
	switch p {
	case GPT2:
		return gpt2Len
	case CL100K:
		return cl100kLen
	case O200K:
		return o200kLen
	case Llama3:
		return llama3Len
	}
	panic(p.Check().Error())
}

// The patterns as Hugging Face files write them, in Oniguruma's syntax, where $ would be the end of a line.
const (
	gpt2Regex   = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
	llama3Regex = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	cl100kRegex = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s+\z|\s*[\r\n]+|\s+(?!\S)|\s+`
	o200kRegex  = `[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|` +
		`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|` +
		`\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

// Regex is how p is written in a Hugging Face file, in Oniguruma's syntax.
func (p Pattern) Regex() string {
	switch p {
	case GPT2:
		return gpt2Regex
	case CL100K:
		return cl100kRegex
	case O200K:
		return o200kRegex
	}
	return llama3Regex
}

// patternOf recognises a regular expression of a Hugging Face file by its spelling, which is the same in all public files.
func patternOf(regex string) (Pattern, bool) {
	for _, p := range Patterns() {
		if regex == p.Regex() {
			return p, true
		}
	}
	return "", false
}
