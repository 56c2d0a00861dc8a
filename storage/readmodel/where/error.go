package where

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Bounds on a text.
const (
	MaxBytes = 10 << 10 // of a whole text
	MaxDepth = 64       // of parentheses and nots within each other
	MaxTerms = 500      // comparisons, words, and values of lists
	maxSorts = 8
)

// SyntaxError says where a text stops making sense and what would.
type SyntaxError struct {
	Offset  int // in bytes, from 0
	Line    int // from 1
	Column  int // in characters, from 1
	Message string
	Hint    string // what to write instead, "" when there is nothing to say

	line string // the line at fault
}

// Error shows the line with a caret below the character at fault.
func (e *SyntaxError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "line %d, column %d: %s", e.Line, e.Column, e.Message)
	if e.Hint != "" {
		fmt.Fprintf(&b, " (%s)", e.Hint)
	}
	shown, at := window([]rune(e.line), e.Column-1)
	fmt.Fprintf(&b, "\n  %s\n  %s^", shown, strings.Repeat(" ", at))
	return b.String()
}

// window cuts some 80 characters around a place out of a line, each as wide as one.
func window(line []rune, at int) (string, int) {
	const around = 40
	from, to := max(0, at-around), min(len(line), at+around)
	out := make([]rune, 0, to-from)
	for _, c := range line[from:to] {
		if c < ' ' || c == 0x7f {
			c = ' '
		}
		out = append(out, c)
	}
	return string(out), at - from
}

// fail is an error at a byte of a text.
func fail(text string, offset int, hint, format string, args ...any) *SyntaxError {
	offset = min(offset, len(text))
	start := strings.LastIndexByte(text[:offset], '\n') + 1
	end := len(text)
	if i := strings.IndexByte(text[offset:], '\n'); i >= 0 {
		end = offset + i
	}
	return &SyntaxError{
		Offset: offset, Line: strings.Count(text[:offset], "\n") + 1, Column: utf8.RuneCountInString(text[start:offset]) + 1,
		Message: fmt.Sprintf(format, args...), Hint: hint, line: strings.ToValidUTF8(text[start:end], "\uFFFD"),
	}
}

// nearest is the word of a list that a mistyped one was most likely meant to be, "" when none is near.
func nearest(word string, list []string) string {
	best, found := 3, ""
	for _, w := range list {
		if d := distance(word, w); d < best && 2*d <= len(w) {
			best, found = d, w
		}
	}
	return found
}

// distance counts the letters to insert, remove, replace or swap with their neighbour to make b of a; long words count as far.
func distance(a, b string) int {
	if len(a) > 32 || len(b) > 32 {
		return 32
	}
	before, row, next := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		next[0] = i
		for j := 1; j <= len(b); j++ {
			change := row[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			next[j] = min(change, row[j]+1, next[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, row, next = row, next, before
	}
	return row[len(b)]
}
