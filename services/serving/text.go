package serving

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"millrace/trainer/token"
)

// writer turns tokens into text that can be sent at once. It holds back what may still become a stop string, and the beginning of
// a character whose rest is in the next token.
type writer struct {
	tok   token.Tokenizer
	stops []string
	trim  bool   // leaves out white space at the beginning
	held  []byte // not sent yet
}

// push takes a token. stopped tells that a stop string was said: text is then what came before it, and nothing more is said.
func (w *writer) push(id int32) (text string, stopped bool) {
	w.held = append(w.held, w.tok.Bytes(id)...)
	if w.trim {
		w.held = bytes.TrimLeft(w.held, " \t\r\n")
		w.trim = len(w.held) == 0
	}
	first := -1
	for _, s := range w.stops {
		if at := bytes.Index(w.held, []byte(s)); at >= 0 && (first < 0 || at < first) {
			first = at
		}
	}
	if first >= 0 {
		w.held = w.held[:first]
		return w.rest(), true
	}
	ready := len(w.held) - w.uncertain()
	text = valid(w.held[:ready])
	w.held = append(w.held[:0], w.held[ready:]...)
	return text, false
}

// rest is what is held when nothing more comes.
func (w *writer) rest() string {
	text := valid(w.held)
	w.held = nil
	return text
}

// uncertain is how many bytes at the end must wait for the next token.
func (w *writer) uncertain() int {
	wait := unfinished(w.held)
	for _, s := range w.stops {
		for n := min(len(s)-1, len(w.held)); n > wait; n-- {
			if bytes.HasSuffix(w.held, []byte(s[:n])) {
				wait = n
				break
			}
		}
	}
	// A character is not cut: what waits begins with one.
	for at := len(w.held) - wait; wait > 0 && at > 0 && !utf8.RuneStart(w.held[at]); at-- {
		wait++
	}
	return wait
}

// unfinished is how many bytes at the end are the beginning of a character.
func unfinished(b []byte) int {
	for n := 1; n <= min(utf8.UTFMax-1, len(b)); n++ {
		if c := b[len(b)-n]; utf8.RuneStart(c) {
			if !utf8.FullRune(b[len(b)-n:]) {
				return n
			}
			return 0
		}
	}
	return 0
}

// valid writes U+FFFD for each byte that is no text, so that it does not matter where bytes were cut.
func valid(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	var out strings.Builder
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		out.WriteRune(r) // U+FFFD for a byte that is none
		b = b[n:]
	}
	return out.String()
}
