package where

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

type tokenKind uint8

const (
	tokEnd    tokenKind = iota
	tokWord             // baseline, 1e-3, config.optimizer.lr, metric["val/loss"].min
	tokString           // "val loss"
	tokOp               // = != < <= > >= ~ !~
	tokOpen
	tokClose
	tokComma
	tokNot // !
	tokAnd // &&
	tokOr  // ||
)

// token is a piece of the text. Text is what a string says and what a word is written as.
type token struct {
	kind     tokenKind
	text     string
	at       int       // byte offset
	segments []segment // of a word with quoted parts; nil: split the text at its dots
}

// segment is a part of a dotted path.
type segment struct {
	text   string
	quoted bool
	at     int
}

// path is a word's parts.
func (t token) path() []segment {
	if t.segments != nil {
		return t.segments
	}
	var out []segment
	at := t.at
	for part := range strings.SplitSeq(t.text, ".") {
		out = append(out, segment{text: part, at: at})
		at += len(part) + 1
	}
	return out
}

// is tells whether a token is a keyword; case does not matter.
func (t token) is(word string) bool {
	return t.kind == tokWord && t.segments == nil && strings.EqualFold(t.text, word)
}

// lexer cuts a text, which is valid UTF-8, into tokens.
type lexer struct {
	text string
	at   int
}

func (l *lexer) next() (token, *SyntaxError) {
	for l.at < len(l.text) {
		c, n := utf8.DecodeRuneInString(l.text[l.at:])
		if !unicode.IsSpace(c) {
			break
		}
		l.at += n
	}
	start := l.at
	if start == len(l.text) {
		return token{kind: tokEnd, at: start}, nil
	}
	for _, o := range operators {
		if strings.HasPrefix(l.text[start:], o.text) {
			l.at += len(o.text)
			return token{kind: o.kind, text: o.means, at: start}, nil
		}
	}
	switch c, _ := utf8.DecodeRuneInString(l.text[start:]); {
	case c == '"' || c == '\'':
		s, err := l.quoted()
		return token{kind: tokString, text: s, at: start}, err
	case c == '&' || c == '|':
		return token{}, fail(l.text, start, `write "and" or "or", or && and ||`, "there is no %q in this language", string(c))
	case ends(c):
		return token{}, fail(l.text, start, "put quotes around what is meant as text", "%q is not expected here", string(c))
	}
	return l.word()
}

// operators, longer ones first.
var operators = []struct {
	text  string
	kind  tokenKind
	means string
}{
	{"&&", tokAnd, "and"}, {"||", tokOr, "or"}, {"==", tokOp, "="}, {"!=", tokOp, "!="}, {"<>", tokOp, "!="}, {"!~", tokOp, "!~"},
	{"<=", tokOp, "<="}, {">=", tokOp, ">="}, {"≤", tokOp, "<="}, {"≥", tokOp, ">="}, {"≠", tokOp, "!="}, {"=", tokOp, "="},
	{"<", tokOp, "<"}, {">", tokOp, ">"}, {"~", tokOp, "~"}, {"!", tokNot, "not"}, {"(", tokOpen, "("}, {")", tokClose, ")"}, {",", tokComma, ","},
}

// ends tells whether a character cannot be in a word. An apostrophe can, but not at its beginning.
func ends(c rune) bool {
	return unicode.IsSpace(c) || unicode.IsControl(c) || strings.ContainsRune(`()[],"=!<>~&|≤≥≠`, c)
}

// run reads characters of a word.
func (l *lexer) run() string {
	start := l.at
	for l.at < len(l.text) {
		c, n := utf8.DecodeRuneInString(l.text[l.at:])
		if ends(c) || c == '\'' && (l.at == start || l.text[l.at-1] == '.') {
			break
		}
		l.at += n
	}
	return l.text[start:l.at]
}

// word reads a word, or a path with quoted parts: config."a.b".c or metric["val/loss"].min.
func (l *lexer) word() (token, *SyntaxError) {
	t := token{kind: tokWord, at: l.at}
	plain := token{at: l.at, text: l.run()}
	for {
		next := byte(0)
		if l.at < len(l.text) {
			next = l.text[l.at]
		}
		opened, dotted := next == '[', (next == '"' || next == '\'') && strings.HasSuffix(plain.text, ".")
		if !opened && !dotted {
			break
		}
		if dotted {
			plain.text = plain.text[:len(plain.text)-1]
		}
		if plain.text != "" || t.segments == nil {
			t.segments = append(t.segments, plain.path()...)
		}
		if opened {
			l.at++
		}
		at := l.at
		if at == len(l.text) || l.text[at] != '"' && l.text[at] != '\'' {
			return t, fail(l.text, at, `write metric["val/loss"]`, "a name in quotes is wanted after [")
		}
		s, err := l.quoted()
		if err != nil {
			return t, err
		}
		t.segments = append(t.segments, segment{text: s, quoted: true, at: at})
		if opened {
			if l.at == len(l.text) || l.text[l.at] != ']' {
				return t, fail(l.text, l.at, "", "a ] is wanted here")
			}
			l.at++
		}
		plain = token{at: l.at, text: l.run()}
		if plain.text != "" {
			if plain.text[0] != '.' {
				return t, fail(l.text, plain.at, "", "a dot is wanted between the parts of a path")
			}
			plain.at, plain.text = plain.at+1, plain.text[1:]
			if plain.text == "" { // a quoted part follows, or nothing that should
				plain.text = "."
			}
		}
	}
	if t.segments == nil {
		t.text = plain.text
		return t, nil
	}
	if plain.text == "." {
		return t, fail(l.text, l.at, "", "a name is wanted after the dot")
	}
	if plain.text != "" {
		t.segments = append(t.segments, plain.path()...)
	}
	t.text = l.text[t.at:l.at]
	return t, nil
}

// quoted reads "…" or '…' with the escapes \" \' \\ \n \r \t \uXXXX and \UXXXXXXXX.
func (l *lexer) quoted() (string, *SyntaxError) {
	start, quote := l.at, l.text[l.at]
	var b strings.Builder
	for l.at++; l.at < len(l.text); {
		c, n := utf8.DecodeRuneInString(l.text[l.at:])
		switch {
		case c == rune(quote):
			l.at++
			return b.String(), nil
		case c == '\\':
			c, rest, err := escape(l.text[l.at:])
			if err {
				return "", fail(l.text, l.at, `write \\ for a backslash`, "this is no escape")
			}
			b.WriteRune(c)
			l.at = len(l.text) - len(rest)
		case unicode.IsControl(c):
			return "", fail(l.text, l.at, `write \n for a new line, \t for a tab, \u0000 for any character`, "a control character cannot stand in quotes")
		default:
			b.WriteRune(c)
			l.at += n
		}
	}
	return "", fail(l.text, start, "", "the quotes that open here are never closed")
}

// escape reads one; strconv knows the escapes, those of bytes are not ours.
func escape(s string) (c rune, rest string, bad bool) {
	if len(s) < 2 || !strings.ContainsRune(`"'\nrtuU`, rune(s[1])) {
		return 0, s, true
	}
	if s[1] == '"' || s[1] == '\'' {
		return rune(s[1]), s[2:], false
	}
	c, _, rest, err := strconv.UnquoteChar(s, '"')
	return c, rest, err != nil || !utf8.ValidRune(c)
}
