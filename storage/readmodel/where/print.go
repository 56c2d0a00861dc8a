package where

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Print writes a condition so that Parse reads the same again (in its plainest form), unless the text grows longer than MaxBytes.
// Words that are not UTF-8 are mended.
func Print(e Expr) string {
	if a, ok := plain(e).(And); ok && len(a) == 0 {
		return ""
	}
	var b strings.Builder
	print(&b, plain(e), 0)
	return b.String()
}

// How strongly what stands around a condition binds.
const (
	inOr = iota
	inAnd
	inNot
)

func print(b *strings.Builder, e Expr, around int) {
	switch e := e.(type) {
	case And:
		if len(e) == 0 {
			b.WriteString("()")
			return
		}
		join(b, e, " and ", inAnd, around > inAnd)
	case Or:
		join(b, e, " or ", inOr+1, around > inOr)
	case Not:
		b.WriteString("not ")
		print(b, e.Of, inNot)
	case Compare:
		printCompare(b, e)
	case Words:
		b.WriteString(quote(e.Text))
	}
}

func join(b *strings.Builder, list []Expr, word string, around int, parentheses bool) {
	if parentheses {
		b.WriteByte('(')
		defer b.WriteByte(')')
	}
	for i, e := range list {
		if i > 0 {
			b.WriteString(word)
		}
		print(b, e, around)
	}
}

// plain is a condition's plainest form, as Parse gives it. Nothing is left of an Or without conditions but its denial.
func plain(e Expr) Expr {
	switch e := e.(type) {
	case And:
		out := And{}
		for _, c := range e {
			c = plain(c)
			if inner, ok := c.(And); ok {
				out = append(out, inner...)
			} else {
				out = append(out, c)
			}
		}
		if len(out) == 1 {
			return out[0]
		}
		return out
	case Or:
		var out Or
		for _, c := range e {
			c = plain(c)
			if inner, ok := c.(Or); ok {
				out = append(out, inner...)
			} else {
				out = append(out, c)
			}
		}
		switch len(out) {
		case 0:
			return Not{And{}}
		case 1:
			return out[0]
		}
		return out
	case Not:
		return Not{plain(e.Of)}
	case Compare:
		if e.Field.Name == Label {
			e.Op = labelOp(e.Op)
		}
		return e
	case nil:
		return And{}
	}
	return e
}

func printCompare(b *strings.Builder, c Compare) {
	if c.Field.Name == Label && len(c.Values) == 1 && (c.Op == Contains || c.Op == NotContains) {
		b.WriteString(quoted(c.Values[0].Word))
		if c.Op == NotContains {
			b.WriteString(" not")
		}
		b.WriteString(" in labels")
		return
	}
	b.WriteString(PrintField(c.Field))
	b.WriteByte(' ')
	b.WriteString(string(c.Op))
	switch {
	case c.Op == Exists:
	case c.Op == In || c.Op == NotIn:
		b.WriteString(" (")
		for i, v := range c.Values {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(printValue(c.Field, v))
		}
		b.WriteByte(')')
	default:
		for _, v := range c.Values {
			b.WriteByte(' ')
			b.WriteString(printValue(c.Field, v))
		}
	}
}

func printValue(f Field, v Value) string {
	switch v.Kind {
	case Number:
		return printNumber(v.Number)
	case Bool:
		return strconv.FormatBool(v.Bool)
	case Time:
		return v.Time.UTC().Format(time.RFC3339Nano)
	}
	_, isBool := boolean(v.Word)
	_, isNumber := plainNumber(v.Word)
	if unitOf(f.Name) == loose && (isBool || isNumber) {
		return quoted(v.Word)
	}
	return quote(v.Word)
}

func printNumber(n float64) string {
	switch {
	case math.IsNaN(n):
		return "nan"
	case math.IsInf(n, 1):
		return "inf"
	case math.IsInf(n, -1):
		return "-inf"
	}
	if abs := math.Abs(n); abs >= 1e-4 && abs < 1e15 {
		return strconv.FormatFloat(n, 'f', -1, 64)
	}
	return strconv.FormatFloat(n, 'g', -1, 64)
}

// PrintField writes a field so that ParseField reads the same again.
func PrintField(f Field) string {
	if f.Key == "" {
		return string(f.Name)
	}
	var b strings.Builder
	b.WriteString(string(f.Name))
	switch {
	case f.Name == Config:
		for part := range strings.SplitSeq(f.Key, ".") {
			b.WriteByte('.')
			if bareKey.MatchString(part) {
				b.WriteString(part)
			} else {
				b.WriteString(quoted(part))
			}
		}
	case bareKey.MatchString(f.Key):
		b.WriteString("." + f.Key)
	default:
		b.WriteString("[" + quoted(f.Key) + "]")
	}
	switch f.Stat {
	case "", StatLast:
	case StatAt:
		fmt.Fprintf(&b, " at %d", f.Step)
	default:
		b.WriteString("." + string(f.Stat))
	}
	return b.String()
}

// What needs no quotes: in a path, and as a word.
var (
	bareKey  = regexp.MustCompile(`^[\pL\pN_-]+$`)
	bareWord = regexp.MustCompile(`^[\pL\pN_][\pL\pN_./-]*$`)
)

// quote puts a word into quotes where it needs them.
func quote(word string) string {
	first, _, _ := strings.Cut(word, ".")
	if bareWord.MatchString(word) && !reserved(first) {
		return word
	}
	return quoted(word)
}

func quoted(word string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range strings.ToValidUTF8(word, "\uFFFD") {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		case c == '\t':
			b.WriteString(`\t`)
		case unicode.IsControl(c):
			fmt.Fprintf(&b, `\u%04x`, c)
		default:
			b.WriteRune(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
