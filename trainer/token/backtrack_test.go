package token_test

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"millrace/trainer/token"
)

// published are the patterns as OpenAI's and Meta's own code has them, to the letter.
var published = map[token.Pattern]string{
	token.GPT2:   `'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s`,
	token.CL100K: `'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s`,
	token.O200K: `[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|` +
		`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|` +
		`\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
	token.Llama3: `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
}

// The oracle is a backtracking matcher for the syntax these patterns use, in continuation-passing style: a node calls then
// with every place it can end at, best first, until one is accepted. Bytes that are not UTF-8 are the character -1.
type (
	then func(at int) bool
	node func(text []rune, at int, next then) bool
)

type regexParser struct {
	src  []rune
	fold bool
}

func compile(pattern string) node {
	p := &regexParser{src: []rune(pattern)}
	n := p.alternatives()
	if len(p.src) > 0 {
		panic("left over: " + string(p.src))
	}
	return n
}

func (p *regexParser) take(prefix string) bool {
	if rest, ok := strings.CutPrefix(string(p.src), prefix); ok {
		p.src = []rune(rest)
		return true
	}
	return false
}

func (p *regexParser) alternatives() node {
	options := []node{p.sequence()}
	for p.take("|") {
		options = append(options, p.sequence())
	}
	return func(text []rune, at int, next then) bool {
		return slices.ContainsFunc(options, func(n node) bool { return n(text, at, next) })
	}
}

func (p *regexParser) sequence() node {
	all := node(func(_ []rune, at int, next then) bool { return next(at) })
	for len(p.src) > 0 && p.src[0] != '|' && p.src[0] != ')' {
		first, second := all, p.quantified()
		all = func(text []rune, at int, next then) bool {
			return first(text, at, func(at int) bool { return second(text, at, next) })
		}
	}
	return all
}

func (p *regexParser) quantified() node {
	n := p.atom()
	low, high := 1, 1
	switch {
	case p.take("?"):
		low = 0
	case p.take("*"):
		low, high = 0, 1<<30
	case p.take("+"):
		high = 1 << 30
	case p.take("{1,3}"):
		high = 3
	default:
		return n
	}
	greedy := func(text []rune, at int, next then) bool {
		var more func(count, at int) bool
		more = func(count, at int) bool {
			if count < high && n(text, at, func(end int) bool { return end > at && more(count+1, end) }) {
				return true
			}
			return count >= low && next(at)
		}
		return more(0, at)
	}
	if !p.take("+") {
		return greedy
	}
	return func(text []rune, at int, next then) bool { // possessive: the first way only
		end := -1
		return greedy(text, at, func(at int) bool { end = at; return true }) && next(end)
	}
}

func (p *regexParser) atom() node {
	switch {
	case p.take("(?!"):
		n := p.alternatives()
		p.take(")")
		return func(text []rune, at int, next then) bool {
			return !n(text, at, func(int) bool { return true }) && next(at)
		}
	case p.take("(?:"):
		n := p.alternatives()
		p.take(")")
		return n
	case p.take("(?i:"):
		p.fold = true
		n := p.alternatives()
		p.fold = false
		p.take(")")
		return n
	case p.take("$"):
		return func(text []rune, at int, next then) bool { return at == len(text) && next(at) }
	}
	in := p.member()
	return func(text []rune, at int, next then) bool { return at < len(text) && in(text[at]) && next(at+1) }
}

// member parses what stands for one character.
func (p *regexParser) member() func(rune) bool {
	if p.take("[") {
		negated := p.take("^")
		var any []func(rune) bool
		for !p.take("]") {
			any = append(any, p.member())
		}
		return func(r rune) bool {
			return negated != slices.ContainsFunc(any, func(in func(rune) bool) bool { return in(r) })
		}
	}
	if p.take(`\p{`) {
		name, rest, _ := strings.Cut(string(p.src), "}")
		p.src = []rune(rest)
		return func(r rune) bool { return is(r, name) }
	}
	fold, c := p.fold, p.src[0]
	switch {
	case p.take(`\s`):
		return func(r rune) bool { return is(r, "s") }
	case p.take(`\S`):
		return func(r rune) bool { return !is(r, "s") }
	case p.take(`\r`):
		return func(r rune) bool { return r == '\r' }
	case p.take(`\n`):
		return func(r rune) bool { return r == '\n' }
	}
	p.src = p.src[1:]
	return func(r rune) bool {
		for f := unicode.SimpleFold(c); fold && f != c; f = unicode.SimpleFold(f) {
			if r == f {
				return true
			}
		}
		return r == c
	}
}

// is asks package unicode, and this package's table only about characters that are younger than package unicode.
func is(r rune, class string) bool {
	switch {
	case r < 0:
		return false
	case class == "s":
		return unicode.Is(unicode.White_Space, r)
	case !assigned(r):
		return slices.Contains(token.ClassNames(r), class)
	}
	return unicode.Is(unicode.Categories[class], r)
}

func assigned(r rune) bool {
	return unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S, unicode.Z, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs)
}

// backtracking cuts s by the published pattern.
func backtracking(pattern string, s string) []string { return cut(compile(pattern), s) }

func cut(n node, s string) (pieces []string) {
	var runes []rune
	starts := []int{}
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			r = -1
		}
		runes, starts = append(runes, r), append(starts, i)
		i += size
	}
	starts = append(starts, len(s))
	for at := 0; at < len(runes); {
		end := -1
		if !n(runes, at, func(e int) bool { end = e; return e > at }) {
			panic("no match")
		}
		pieces = append(pieces, s[starts[at]:starts[end]])
		at = end
	}
	return pieces
}
